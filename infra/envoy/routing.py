"""Clusters and routes of the endpoint, as data: each pipeline below its own prefix, all of it to one colour."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from infra.envoy.bootstrap import HOST, route_table

ANSWER_TIMEOUT = "30s"
IDLE_TIMEOUT = "50s"
"""Shorter than a service keeps an idle connection (75 s): else a request goes into one that is being closed."""
LONGEST_LISTING = 1 << 20
RETRIED = "connect-failure,refused-stream,reset-before-request"
"""Only what the service has not begun to answer."""


@dataclass(frozen=True)
class Target:
    """A process that can be routed to.

    Attributes:
        pipeline: whose model it serves.
        colour: blue or green.
        version: of the model.
        port: where it listens.
        live: whether all requests of the pipeline go to it.
    """

    pipeline: str
    colour: str
    version: str
    port: int
    live: bool

    @property
    def cluster(self) -> str:
        """Name of its cluster."""
        return f"{self.pipeline}-{self.colour}"


def clusters(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """A cluster for each process."""
    return [_cluster(target) for target in targets]


def routes(targets: Sequence[Target]) -> dict[str, Any]:
    """The route table: the listing at `/`, and `/<pipeline>/` for each pipeline that has a live colour."""
    live = [target for target in targets if target.live]
    table = route_table([_listing(live), *(route for target in live for route in _routes(target))])
    return {**table, "max_direct_response_body_size_bytes": LONGEST_LISTING}


def prefix(pipeline: str) -> str:
    """Path below which a pipeline answers."""
    return f"/{pipeline}/"


def _cluster(target: Target) -> dict[str, Any]:
    address = {"socket_address": {"address": HOST, "port_value": target.port}}
    protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": target.cluster,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": target.cluster,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        "typed_extension_protocol_options": {
            protocol: {
                "@type": f"type.googleapis.com/{protocol}",
                "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _routes(target: Target) -> list[dict[str, Any]]:
    below = prefix(target.pipeline)
    return [
        # The slash at the end makes the documentation's relative addresses right.
        {"match": {"path": below.rstrip("/")}, "redirect": {"path_redirect": below}},
        {
            "match": {"prefix": below},
            "route": {
                "cluster": target.cluster,
                "prefix_rewrite": "/",
                "timeout": ANSWER_TIMEOUT,
                "retry_policy": {"retry_on": RETRIED, "num_retries": 2},
            },
        },
    ]


def _listing(live: Sequence[Target]) -> dict[str, Any]:
    pipelines = [
        {
            "name": target.pipeline,
            "version": target.version,
            "colour": target.colour,
            "predict": f"{prefix(target.pipeline)}predict",
            "docs": prefix(target.pipeline),
        }
        for target in live
    ]
    content_type = {
        "header": {"key": "content-type", "value": "application/json"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    return {
        "match": {"path": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": json.dumps({"pipelines": pipelines}) + "\n"}},
        "response_headers_to_add": [content_type],
    }
