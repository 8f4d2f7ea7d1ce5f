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
RETRIED_ELSEWHERE = f"{RETRIED},reset"
"""With several replicas also what one has taken and died of: a prediction changes nothing, so another may give it."""
RETRIES = 2
OTHER_REPLICA_ATTEMPTS = 20
"""A retry draws until it has a replica that was not tried; beside many other requests each draw may be the same one."""
PARALLEL_RETRIES = 1024
"""Envoy allows 3 by default: a replica that dies under load leaves more requests than that."""
CHECK_SECONDS = 1
FAILED_CHECKS = 3
"""A replica gets no requests after so many checks in a row without an answer; on a busy machine one may be late."""


@dataclass(frozen=True)
class Target:
    """The replicas of a colour, which can be routed to.

    Attributes:
        pipeline: whose model it serves.
        colour: blue or green.
        version: of the model.
        ports: where its replicas listen.
        live: whether the requests of the pipeline go to it.
        share: percent of them that go to it although it is not live.
        mirrored: whether it gets a copy of every request, although it is not live.
    """

    pipeline: str
    colour: str
    version: str
    ports: tuple[int, ...]
    live: bool
    share: int = 0
    mirrored: bool = False

    @property
    def cluster(self) -> str:
        """Name of its cluster."""
        return f"{self.pipeline}-{self.colour}"


def clusters(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """A cluster for each colour."""
    return [_cluster(target) for target in targets]


def routes(targets: Sequence[Target], gone: Mapping[str, Gone] | None = None, token: str = "") -> dict[str, Any]:
    """The route table: the listing at `/`, and `/<pipeline>/` for each pipeline that has a live colour, or had one.

    Args:
        targets: what can be routed to.
        gone: pipelines that were given up, by name; their callers get that answer.
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
    addresses = [{"socket_address": {"address": HOST, "port_value": port}} for port in target.ports]
    protocol = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
    return {
        "name": target.cluster,
        "type": "STATIC",
        "connect_timeout": "1s",
        "load_assignment": {
            "cluster_name": target.cluster,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}} for address in addresses]}],
        },
        **(_shared() if len(addresses) > 1 else {}),
        "typed_extension_protocol_options": {
            protocol: {
                "@type": f"type.googleapis.com/{protocol}",
                "common_http_protocol_options": {"idle_timeout": IDLE_TIMEOUT},
                "explicit_http_config": {"http_protocol_options": {}},
            }
        },
    }


def _shared() -> dict[str, Any]:
    """How several replicas share the requests: in turn, and none to one that does not answer."""
    seconds = f"{CHECK_SECONDS}s"
    check = {
        "timeout": seconds,
        "interval": seconds,
        "no_traffic_interval": seconds,  # a minute by default, and an idle colour has no traffic
        "unhealthy_threshold": FAILED_CHECKS,
        "healthy_threshold": 1,
        "http_health_check": {"path": "/readyz"},
    }
    return {
        # Not LEAST_REQUEST: a replica that has just died has the fewest requests in flight, and would get the retries.
        "lb_policy": "ROUND_ROBIN",
        "health_checks": [check],
        "circuit_breakers": {"thresholds": [{"max_retries": PARALLEL_RETRIES}]},
    }


def _retry_policy(replicas: int) -> dict[str, Any]:
    if replicas == 1:
        return {"retry_on": RETRIED, "num_retries": RETRIES}
    kind = "type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate"
    elsewhere = {"name": "envoy.retry_host_predicates.previous_hosts", "typed_config": {"@type": kind}}
    return {
        "retry_on": RETRIED_ELSEWHERE,
        "num_retries": RETRIES,
        "retry_host_predicate": [elsewhere],
        "host_selection_retry_max_attempts": OTHER_REPLICA_ATTEMPTS,
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
            "name": target.pipeline,
            "match": {"prefix": below},
            "route": {
                **to,
                "prefix_rewrite": "/",
                "timeout": ANSWER_TIMEOUT,
                "retry_policy": _retry_policy(len(target.ports)),
            },
        },
    ]


def _gone(pipeline: str, why: Gone) -> list[dict[str, Any]]:
    """What callers of a pipeline that was given up get: 410, or 308 where another answers in its place."""
    below, sentence = prefix(pipeline), why.sentence(pipeline)
    # The listener puts what it says of errors into JSON; see `infra.envoy.bootstrap`.
    said = {"direct_response": {"status": 410, "body": {"inline_string": sentence}}}
    routes: list[dict[str, Any]] = [
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
        routes.insert(0, {"match": {"path": f"{below}predict"}, **moved})
    return routes


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
