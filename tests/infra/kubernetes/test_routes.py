"""Routes as data: what they say, and that a service recognises what they mark."""

from __future__ import annotations

import re

import pytest

from bentos.platform_token import COPY, copy_marks, is_copy
from infra.kubernetes.names import LONGEST, colour_labels, colour_name, slug
from infra.kubernetes.routes import clusters, gone_answers, gone_route, held, policy, requested, route, routed_mark
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Gone, Traffic

BLUE, GREEN = Colour.BLUE, Colour.GREEN
GATEWAY = ("gateways", "public")
LABEL = r"[a-z0-9A-Z]([a-z0-9A-Z._-]{0,61}[a-z0-9A-Z])?"
"""What Kubernetes takes as the value of a label."""
EVERY = [Traffic(BLUE), Traffic(GREEN), Traffic(GREEN, share=20), Traffic(BLUE, mirrored=True)]


@pytest.mark.parametrize("traffic", EVERY, ids=str)
def test_a_route_says_what_it_was_made_of(traffic: Traffic) -> None:
    made = route("flight_delays", GATEWAY, traffic, "token")
    assert requested(made) == traffic
    backends = made["spec"]["rules"][0]["backendRefs"]
    assert [backend["name"] for backend in backends] == ["flight-delays-blue", "flight-delays-green"]
    weights = dict(zip(Colour, (backend["weight"] for backend in backends), strict=True))
    assert traffic.live is not None
    assert weights == {traffic.live: (100 - traffic.share) * 10_000, traffic.live.other: traffic.share * 10_000}


def test_a_colour_that_is_kept_has_the_smallest_weight_and_is_known_to_the_gateway() -> None:
    made = route("shop", GATEWAY, Traffic(GREEN), "token", retained=True)
    assert [backend["weight"] for backend in made["spec"]["rules"][0]["backendRefs"]] == [1, 999_999]
    assert requested(made) == Traffic(GREEN)
    assert held(made) == {BLUE, GREEN}
    assert held(route("shop", GATEWAY, Traffic(GREEN), "token")) == {GREEN}
    assert held(gone_route("shop", GATEWAY, Gone("2026-02-03"))) == held(None) == frozenset()


def test_the_gateway_counts_each_colour_under_a_name_of_its_own_whichever_is_live() -> None:
    assert clusters("ns", "a_b", BLUE) == {"httproute/ns/a-b/rule/0/backend/0", "httproute/ns/a-b/rule/0-mirror-0"}
    for live in Colour:
        filters = route("a_b", GATEWAY, Traffic(live, mirrored=True), "token")["spec"]["rules"][0]["filters"]
        [place] = [place for place, filter_ in enumerate(filters) if filter_["type"] == "RequestMirror"]
        assert f"httproute/ns/a-b/rule/0-mirror-{place}" in clusters("ns", "a_b", live.other)
        assert filters[place]["requestMirror"]["backendRef"]["name"] == f"a-b-{live.other}"
    backends = route("a_b", GATEWAY, Traffic(BLUE), "token")["spec"]["rules"][0]["backendRefs"]
    assert all(backend["filters"] for backend in backends), "without one the gateway would count both together"


def test_a_service_takes_for_a_copy_what_the_route_has_sent_to_the_other_colour_and_nothing_a_caller_makes_up() -> None:
    marks = copy_marks(b"token", "green")
    assert is_copy({COPY: routed_mark("token", BLUE).encode()}, marks)
    assert is_copy({COPY: b"token"}, marks)
    assert not is_copy({COPY: routed_mark("token", GREEN).encode()}, marks)
    for made_up in (b"", b"1", b"blue", routed_mark("", BLUE).encode(), routed_mark("other", BLUE).encode()):
        assert not is_copy({COPY: made_up}, marks)
    assert not is_copy({}, marks)
    assert not is_copy({COPY: b""}, copy_marks(b"", "green"))
    assert "token" not in str(route("a", GATEWAY, Traffic(BLUE), "token"))


def test_a_pipeline_that_was_renamed_sends_callers_on_and_says_gone_to_all_else() -> None:
    gone = Gone("2026-02-03", renamed_to="orders")
    made = gone_route("shop", GATEWAY, gone)
    assert requested(made) == Traffic()
    named = [rule["filters"][-1]["extensionRef"]["name"] for rule in made["spec"]["rules"]]
    assert named == ["shop-gone", "shop-gone-moved", "tidewheel-answer"]
    statuses = {
        filter_["metadata"]["name"]: filter_["spec"]["directResponse"] for filter_ in gone_answers("shop", gone)
    }
    assert statuses["shop-gone"]["statusCode"] == 410
    assert statuses["shop-gone-moved"]["header"] == {"set": [{"name": "location", "value": "/orders/predict"}]}


def test_names_are_dns_labels_and_no_two_pipelines_share_one() -> None:
    names = ["a", "a_b", "a__b", "a_", "a" * 63, "a" * 62 + "b", "a" * 57 + "_b", "a" * 57, "b" + "_" * 62]
    slugs = [slug(name) for name in names]
    assert len(set(slugs)) == len(names)
    for name in names:
        made = colour_name(name, GREEN)
        assert len(slug(name)) <= LONGEST
        assert len(made) <= 63
        assert made.replace("-", "").isalnum()
        assert not slug(name).endswith("-")
        assert all(re.fullmatch(LABEL, value) for value in colour_labels(name, GREEN).values())


def test_a_request_that_a_pod_has_died_of_is_tried_again_only_where_there_are_others() -> None:
    alone, several = (policy("shop", elsewhere=elsewhere)["spec"] for elsewhere in (False, True))
    assert set(several["retry"]["retryOn"]["triggers"]) - set(alone["retry"]["retryOn"]["triggers"]) == {"reset"}
