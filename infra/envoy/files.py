"""Envoy's discovery files below one folder, and the move into place that makes Envoy read them.

Envoy watches each file and reloads it only when another file is *renamed* onto it, so a half-written
file is never seen. Who changes routes or clusters calls `publish`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tidewheel.atomic_file import write_private

if TYPE_CHECKING:
    from pathlib import Path

Resource = Mapping[str, Any]

LISTENER = "type.googleapis.com/envoy.config.listener.v3.Listener"
ROUTES = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
CLUSTER = "type.googleapis.com/envoy.config.cluster.v3.Cluster"


@dataclass(frozen=True)
class EnvoyFiles:
    """The files Envoy reads.

    Attributes:
        folder: absolute path of `<home>/envoy`.
    """

    folder: Path

    @property
    def bootstrap(self) -> Path:
        """What Envoy is started with: admin address and where the other files are."""
        return self.folder / "bootstrap.json"

    @property
    def listeners(self) -> Path:
        """The listener of the endpoint; written by `tidewheel up`."""
        return self.folder / "lds.json"

    @property
    def routes(self) -> Path:
        """The route table `endpoint`; written by releases."""
        return self.folder / "rds.json"

    @property
    def clusters(self) -> Path:
        """The clusters that routes name, one a colour; written by releases."""
        return self.folder / "cds.json"


def publish(path: Path, type_url: str, resources: Sequence[Resource]) -> str:
    """Write a discovery file beside `path` and move it into place.

    Args:
        path: one of the files of `EnvoyFiles`.
        type_url: `LISTENER`, `ROUTES` or `CLUSTER`.
        resources: the resources of that type, all of them: what is not named is removed.

    Returns:
        The version, a digest of the content: Envoy shows it in its config dump once it has accepted the file.
    """
    typed = [{"@type": type_url, **resource} for resource in resources]
    version = hashlib.sha256(json.dumps(typed, sort_keys=True).encode()).hexdigest()[:16]
    # Routes show the services what only the router knows.
    write_private(path, json.dumps({"version_info": version, "type_url": type_url, "resources": typed}, indent=1))
    return version
