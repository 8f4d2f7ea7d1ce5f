"""Who did something: the person as far as this machine can know, in words that go to the ledger."""

from __future__ import annotations

import os
import pwd
import socket
from contextlib import suppress

IN_MLFLOW = "somebody in MLflow"
"""Who moved an alias: MLflow records no user with it."""
LENGTH = 200


def operating_system_user() -> str:
    """The user of this process, with the user who became it by sudo, and the machine."""
    name = f"uid {os.getuid()}"
    with suppress(KeyError):  # a container may run as a user without an entry
        name = pwd.getpwuid(os.getuid()).pw_name
    before = os.environ.get("SUDO_USER", "")
    sudo = f", by sudo from {before}" if before and before != name else ""
    return f"{name}@{socket.gethostname()}{sudo}"[:LENGTH]
