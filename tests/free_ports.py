"""Ports for servers that tests start."""

from __future__ import annotations

import os
import random

from infra.embedded.ports import can_bind

# Below the range from which Linux takes the local ports of outgoing connections, which would come and go on a
# server's port between its starts; and below the ports of the models' services.
_LOWEST, _EACH = 10000, 2000
_given: set[int] = set()


def free_ports(count: int) -> list[int]:
    """Ports that nobody holds, none of them given out before; each of pytest's workers has a range of its own."""
    lowest = _LOWEST + _EACH * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    ports: list[int] = []
    while len(ports) < count:
        port = random.randrange(lowest, lowest + _EACH)
        if port not in _given and can_bind(port):
            _given.add(port)
            ports.append(port)
    return ports


def free_port() -> int:
    """One such port."""
    return free_ports(1)[0]
