"""The HTTPRoute of a pipeline, as data: all of it below its own prefix, shared out to two colours by weights.

The gateway keeps figures for each colour apart only where each `backendRef` has a filter of its own; then their names
follow from the places of rule and colour in the route, which therefore never change.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from infra.kubernetes.names import ANSWER, PIPELINE, colour_name, pipeline_labels, slug
from infra.kubernetes.serving_pod import PORT
from tidewheel.release import Colour
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    from tidewheel.release.traffic import Gone

COPY_HEADER = "x-tidewheel-copy"
TRAFFIC_HEADER = "x-tidewheel-traffic"
"""Shows, at `ROUTEZ`, what a gateway does with the requests of a pipeline: of the route that it has now."""
ROUTEZ = "routez"
ANSWER_TIMEOUT, CONNECT_TIMEOUT = "30s", "1s"
IDLE_TIMEOUT = "50s"
"""Shorter than a service keeps an idle connection (75 s): else a request goes into one that is being closed."""
PERCENT = 10_000
"""Weight of one in a hundred requests; all of them have the largest that the Gateway API takes."""
RETRIED = ("connect-failure", "refused-stream", "reset-before-request")
"""Only what the service has not begun to answer."""
RETRIED_ELSEWHERE = (*RETRIED, "reset")
"""With several pods also what one has taken and died of: a prediction changes nothing, so another may give it."""
ENVOY = "gateway.envoyproxy.io"


def prefix(pipeline: str) -> str:
    """Path below which a pipeline answers."""
    return f"/{pipeline}/"


def clusters(namespace: str, pipeline: str, colour: Colour) -> frozenset[str]:
    """What the gateway calls a colour in its figures: of its own requests, and of the copies that it gets."""
    copies = f"httproute/{namespace}/{slug(pipeline)}/rule/0-mirror-{list(Colour).index(colour)}"
    return frozenset({own_cluster(namespace, pipeline, colour), copies})


def own_cluster(namespace: str, pipeline: str, colour: Colour) -> str:
    """What the gateway calls a colour in the figures of its own requests."""
    return f"httproute/{namespace}/{slug(pipeline)}/rule/0/backend/{list(Colour).index(colour)}"


def routed_mark(token: str, colour: Colour) -> str:
    """What a request shows that the router has sent to a colour; at the other colour it is a copy.

    Not the token itself, since a route is readable to more people than a Secret; see `bentos.platform_token`.
    """
    return hmac.new(token.encode(), f"routed to {colour}".encode(), hashlib.sha256).hexdigest()


def route(
    pipeline: str, gateway: tuple[str, str], traffic: Traffic, token: str, *, retained: bool = False
) -> dict[str, Any]:
    """The route of a pipeline that has a live colour.

    Args:
        pipeline: its name.
        gateway: namespace and name of the Gateway that it joins.
        traffic: where requests go; `live` is not None.
        token: the platform's.
        retained: whether the gateway is to know the other colour too, although nothing is routed there: it gets the
            smallest weight, of which one request in a million is the price.
    """
    assert traffic.live is not None
    other = traffic.share * PERCENT or (1 if retained else 0)
    weights = {traffic.live: 100 * PERCENT - other, traffic.live.other: other}
    below = prefix(pipeline)
    filters: list[dict[str, Any]] = [_rewrite("/")]
    if traffic.mirrored:
        mirror = traffic.live.other
        copied = {"type": "RequestMirror", "requestMirror": {"backendRef": _reference(pipeline, mirror)}}
        # By its place among the filters the gateway names its figures: each colour has a place of its own.
        filters.insert(list(Colour).index(mirror), copied)
    answered = {
        "matches": [{"path": {"type": "PathPrefix", "value": below}}],
        "filters": filters,
        "backendRefs": [_weighted(pipeline, colour, weights[colour], token) for colour in Colour],
        "timeouts": {"request": ANSWER_TIMEOUT},
    }
    return _route(pipeline, gateway, [answered, _slash(pipeline), _shown(pipeline, traffic, retained=retained)])


def gone_route(pipeline: str, gateway: tuple[str, str], gone: Gone) -> dict[str, Any]:
    """The route of a pipeline that was given up: 410, or 308 where another answers in its place."""
    below = prefix(pipeline)
    rules = [
        _answered_by_the_gateway([_exact(below.rstrip("/")), _below(below)], gone_name(pipeline)),
        _shown(pipeline, Traffic(), retained=False),
    ]
    if gone.renamed_to:
        rules.insert(1, _answered_by_the_gateway([_exact(f"{below}predict")], f"{gone_name(pipeline)}-moved"))
    return _route(pipeline, gateway, rules)


def gone_name(pipeline: str) -> str:
    """Name of the filter with which the gateway answers for a pipeline that was given up."""
    return f"{slug(pipeline)}-gone"


def gone_answers(pipeline: str, gone: Gone) -> list[dict[str, Any]]:
    """What the gateway answers itself in place of a pipeline that was given up."""
    sentence = gone.sentence(pipeline)
    said = {"status": 410, "error": sentence, "path": "%REQ(:PATH)%"}
    answers = [answer(gone_name(pipeline), 410, said)]
    if gone.renamed_to:
        # A path alone: whatever host the caller has named, it stays where it is.
        moved = {"status": 308, "error": sentence}
        answers.append(answer(f"{gone_name(pipeline)}-moved", 308, moved, f"{prefix(gone.renamed_to)}predict"))
    for filter_ in answers:
        filter_["metadata"]["labels"] = dict(pipeline_labels(pipeline))
    return answers


def slash_answer(pipeline: str) -> dict[str, Any]:
    """The redirect that puts the slash at the end: not one that repeats whatever host the caller names."""
    below = prefix(pipeline)
    made = answer(slash_name(pipeline), 308, {"status": 308, "error": f"request {below}"}, below)
    made["metadata"]["labels"] = dict(pipeline_labels(pipeline))
    return made


def slash_name(pipeline: str) -> str:
    """Name of the filter of that redirect."""
    return f"{slug(pipeline)}-slash"


def answer(name: str, status: int, document: dict[str, Any], location: str = "") -> dict[str, Any]:
    """A filter with which the gateway answers itself."""
    response: dict[str, Any] = {
        "contentType": "application/json",
        "statusCode": status,
        "body": {"type": "Inline", "inline": json.dumps(document) + "\n"},
    }
    if location:
        response["header"] = {"set": [{"name": "location", "value": location}]}
    return {
        "apiVersion": f"{ENVOY}/v1alpha1",
        "kind": "HTTPRouteFilter",
        "metadata": {"name": name},
        "spec": {"directResponse": response},
    }


def policy(pipeline: str, *, elsewhere: bool = False) -> dict[str, Any]:
    """How the gateway connects to a pipeline's pods, and which requests it tries again.

    Args:
        pipeline: its name.
        elsewhere: whether each colour has pods beside the one that failed. The gateway prefers those by itself.
    """
    triggers = RETRIED_ELSEWHERE if elsewhere else RETRIED
    return {
        "apiVersion": f"{ENVOY}/v1alpha1",
        "kind": "BackendTrafficPolicy",
        "metadata": {"name": slug(pipeline), "labels": dict(pipeline_labels(pipeline))},
        "spec": {
            "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute", "name": slug(pipeline)}],
            "retry": {"numRetries": 2, "retryOn": {"triggers": list(triggers)}},
            # Not LeastRequest: a pod that has just died has the fewest requests in flight, and would get the retries.
            "loadBalancer": {"type": "RoundRobin"},
            "timeout": {
                "tcp": {"connectTimeout": CONNECT_TIMEOUT},
                "http": {"connectionIdleTimeout": IDLE_TIMEOUT},
            },
        },
    }


def requested(route_: dict[str, Any] | None) -> Traffic:
    """Where a route says that requests go, whether a gateway has taken it or not."""
    if route_ is None:
        return Traffic()
    shown = [
        header["value"]
        for rule in route_["spec"]["rules"]
        for filter_ in rule.get("filters", [])
        for header in filter_.get("responseHeaderModifier", {}).get("set", [])
        if header["name"] == TRAFFIC_HEADER
    ]
    return shown_traffic(shown[0]) if shown else Traffic()


def held(route_: dict[str, Any] | None) -> frozenset[Colour]:
    """The colours that a gateway knows by a route: those with any weight."""
    references = route_["spec"]["rules"][0].get("backendRefs", []) if route_ else []
    return frozenset(colour for colour, reference in zip(Colour, references, strict=False) if reference["weight"])


def shown_header(traffic: Traffic, *, retained: bool) -> str:
    """What `TRAFFIC_HEADER` shows of a route."""
    return json.dumps({**asdict(traffic), "retained": retained})


def shown_traffic(header: str) -> Traffic:
    """Read what `TRAFFIC_HEADER` shows."""
    document = json.loads(header)
    return Traffic(Colour(document["live"]) if document["live"] else None, document["share"], document["mirrored"])


def _route(pipeline: str, gateway: tuple[str, str], rules: list[dict[str, Any]]) -> dict[str, Any]:
    namespace, name = gateway
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {
            "name": slug(pipeline),
            "labels": dict(pipeline_labels(pipeline)),
            "annotations": {PIPELINE: pipeline},
        },
        "spec": {"parentRefs": [{"namespace": namespace, "name": name}], "rules": rules},
    }


def _reference(pipeline: str, colour: Colour) -> dict[str, Any]:
    return {"name": colour_name(pipeline, colour), "port": PORT}


def _weighted(pipeline: str, colour: Colour, weight: int, token: str) -> dict[str, Any]:
    marked = {"set": [{"name": COPY_HEADER, "value": routed_mark(token, colour)}]}
    filters = [{"type": "RequestHeaderModifier", "requestHeaderModifier": marked}]
    return {**_reference(pipeline, colour), "weight": weight, "filters": filters}


def _slash(pipeline: str) -> dict[str, Any]:
    return _answered_by_the_gateway([_exact(prefix(pipeline).rstrip("/"))], slash_name(pipeline))


def _shown(pipeline: str, traffic: Traffic, *, retained: bool) -> dict[str, Any]:
    """The rule that says what this route does. In the route itself: a gateway takes all of it, or nothing."""
    rule = _answered_by_the_gateway([_exact(f"{prefix(pipeline)}{ROUTEZ}")], ANSWER)
    header = {"name": TRAFFIC_HEADER, "value": shown_header(traffic, retained=retained)}
    shown = {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"set": [header]}}
    return {**rule, "filters": [shown, *rule["filters"]]}


def _answered_by_the_gateway(matches: list[dict[str, Any]], filter_: str) -> dict[str, Any]:
    reference = {"group": ENVOY, "kind": "HTTPRouteFilter", "name": filter_}
    return {"matches": matches, "filters": [{"type": "ExtensionRef", "extensionRef": reference}]}


def _exact(path: str) -> dict[str, Any]:
    return {"path": {"type": "Exact", "value": path}}


def _below(path: str) -> dict[str, Any]:
    return {"path": {"type": "PathPrefix", "value": path}}


def _rewrite(to: str) -> dict[str, Any]:
    return {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": to}}}
