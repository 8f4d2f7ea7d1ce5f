"""Clusters and routes of the endpoint, as data: each pipeline below its own prefix, all of it to one colour."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from infra.envoy.bootstrap import COPY_HEADER, HOST, route_table

if TYPE_CHECKING:
    from tidewheel.release.traffic import Gone

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
        live: whether the requests of the pipeline go to it.
        share: percent of them that go to it although it is not live.
        mirrored: whether it gets a copy of every request, although it is not live.
    """

    pipeline: str
    colour: str
    version: str
    port: int
    live: bool
    share: int = 0
    mirrored: bool = False

    @property
    def cluster(self) -> str:
        """Name of its cluster."""
        return f"{self.pipeline}-{self.colour}"


def clusters(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """A cluster for each process."""
    return [_cluster(target) for target in targets]


def routes(targets: Sequence[Target], gone: Mapping[str, Gone] | None = None, token: str = "") -> dict[str, Any]:
    """The route table: the listing at `/`, and `/<pipeline>/` for each pipeline that has a live colour, or had one.

    Args:
        targets: what can be routed to.
        gone: pipelines that were given up, by name; their callers are told so.
        token: what a copied request shows to the service that gets it.
    """
    live = [target for target in targets if target.live]
    others = {target.pipeline: target for target in targets if not target.live}
    answered = [r for target in live for r in _routes(target, others.get(target.pipeline), token)]
    withdrawn = [r for pipeline, why in sorted((gone or {}).items()) for r in _gone(pipeline, why)]
    table = route_table([_listing(live), *answered, *withdrawn])
    return {**table, "max_direct_response_body_size_bytes": LONGEST_LISTING}


def prefix(pipeline: str) -> str:
    """Path below which a pipeline answers."""
    return f"/{pipeline}/"


def pipeline_below(path: str) -> str:
    """The pipeline that answers below a path, empty where the path is no pipeline's prefix."""
    name = path.strip("/")
    return name if path == prefix(name) else ""


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


def split(action: Mapping[str, Any]) -> tuple[str, int, bool]:
    """What a route action says, as Envoy gives it back: the live cluster, the other one's percent, whether mirrored."""
    mirrored = bool(action.get("request_mirror_policies"))
    if "cluster" in action:
        return str(action["cluster"]), 0, mirrored
    live, other = action["weighted_clusters"]["clusters"]
    return str(live["name"]), int(other["weight"]), mirrored


def _routes(target: Target, other: Target | None, token: str) -> list[dict[str, Any]]:
    below = prefix(target.pipeline)
    to: dict[str, Any] = {"cluster": target.cluster}
    if other is not None and other.share:
        weights = {target.cluster: 100 - other.share, other.cluster: other.share}
        to = {"weighted_clusters": {"clusters": [{"name": name, "weight": n} for name, n in weights.items()]}}
    if other is not None and other.mirrored:
        marked = {"header": {"key": COPY_HEADER, "value": token}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
        to["request_mirror_policies"] = [
            {
                "cluster": other.cluster,
                "request_headers_mutations": [{"append": marked}],
                "disable_shadow_host_suffix_append": True,
            }
        ]
    return [
        # The slash at the end makes the documentation's relative addresses right. Not a redirect of Envoy's own, which
        # would repeat whatever host the caller names.
        {
            "match": {"path": below.rstrip("/")},
            "direct_response": {"status": 308},
            "response_headers_to_add": [
                {"header": {"key": "location", "value": below}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}
            ],
        },
        {
            "match": {"prefix": below},
            "route": {
                **to,
                "prefix_rewrite": "/",
                "timeout": ANSWER_TIMEOUT,
                "retry_policy": {"retry_on": RETRIED, "num_retries": 2},
            },
        },
    ]


def _gone(pipeline: str, why: Gone) -> list[dict[str, Any]]:
    """What callers of a pipeline that was given up get: 410, or 308 where another answers in its place."""
    below, sentence = prefix(pipeline), why.sentence(pipeline)
    # The listener puts what it says of errors into JSON; see `infra.envoy.bootstrap`.
    said = {"direct_response": {"status": 410, "body": {"inline_string": sentence}}}
    found: list[dict[str, Any]] = [
        {"match": {"path": below.rstrip("/")}, **said},
        {"match": {"prefix": below}, **said},
    ]
    if why.renamed_to:
        body = json.dumps({"status": 308, "error": sentence}) + "\n"
        # A path alone: whatever host the caller has named, it stays where it is.
        headers = [_header("content-type", "application/json"), _header("location", f"{prefix(why.renamed_to)}predict")]
        moved = {
            "direct_response": {"status": 308, "body": {"inline_string": body}},
            "response_headers_to_add": headers,
        }
        found.insert(0, {"match": {"path": f"{below}predict"}, **moved})
    return found


def _header(name: str, value: str) -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


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
    content_type = _header("content-type", "application/json")
    return {
        "match": {"path": "/"},
        "direct_response": {"status": 200, "body": {"inline_string": json.dumps({"pipelines": pipelines}) + "\n"}},
        "response_headers_to_add": [content_type],
    }
