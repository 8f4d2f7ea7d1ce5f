"""What only the platform may say of a request: a caller who says it is answered and logged like any other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from jobs.data.request_log import RequestLog
from tests.conftest import wait_until
from tests.infra.local.conftest import House, Place
from tests.infra.local.test_release import release
from tidewheel.release.probe import Probe
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    import pandas as pd

pytestmark = [pytest.mark.platform]

ROW: dict[str, Any] = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}
PRETENDED = [
    {"x-tidewheel-probe": "1"},
    {"x-tidewheel-probe": ""},
    {"x-tidewheel-copy": "1"},
    {"host": "endpoint-shadow"},
    {"host": "endpoint-shadow:80"},
    {"x-envoy-internal": "true"},
]


def logged(place: Place) -> pd.DataFrame:
    now = datetime.now(UTC)
    log = RequestLog(place.settings, place.pipeline.name)
    return log.between(now - timedelta(days=1), now + timedelta(days=1))


def test_no_caller_passes_for_the_platform_at_the_router_or_at_a_colour(place: Place, house: House) -> None:
    release(place, "1")
    token = place.backend.token()
    assert len(token) > 30
    with Probe(place.backend.endpoint(), platform_token=token) as probe:
        probe.predict([ROW])
    expected = set()
    for name, address in (("router", place.backend.endpoint()), ("colour", place.backend.address(Colour.BLUE))):
        for n, headers in enumerate(PRETENDED):
            request_id = f"{name}-{n}"
            answer = httpx.post(
                f"{address}/predict", json={"rows": [ROW]}, headers={**headers, "x-request-id": request_id}
            )
            assert answer.status_code == 200
            expected.add(request_id)
    wait_until(lambda: expected <= set(logged(place)["request_id"]), "all are logged")
    found = logged(place)
    assert set(found["request_id"]) == expected, "a release's own questions are not"
    assert not found["mirrored"].any()


def test_a_copy_is_known_by_the_routers_word_alone(place: Place, house: House) -> None:
    release(place, "1")
    place.backend.start(Colour.GREEN, house.artifacts["2"], 1)
    with Probe(place.backend.address(Colour.GREEN), platform_token=place.backend.token()) as probe:
        wait_until(lambda: not probe.unready(), "green is ready", 60)
    mirrored = Traffic(Colour.BLUE, mirrored=True)
    place.backend.route(mirrored)
    wait_until(lambda: place.backend.traffic() == mirrored, "requests are copied")
    url = f"{place.backend.endpoint()}/predict"
    httpx.post(url, json={"rows": [ROW]}, headers={"x-request-id": "copied", "x-tidewheel-copy": "no"})
    wait_until(lambda: len(logged(place)) == 2, "both have logged it")
    found = logged(place).set_index("colour")["mirrored"]
    assert found.to_dict() == {"blue": False, "green": True}


def test_a_caller_has_no_say_in_timeouts_retries_and_statistics(place: Place) -> None:
    release(place, "1")
    before = place.backend.request_counts(Colour.BLUE)
    meddling = {
        "x-envoy-upstream-rq-timeout-ms": "1",
        "x-envoy-upstream-rq-per-try-timeout-ms": "1",
        "X-Envoy-Retry-On": "5xx",
        "x-envoy-max-retries": "100",
        "x-envoy-upstream-alt-stat-name": "elsewhere",
        "traceparent": "00-nonsense",
        "tracestate": "x" * 5000,
        "x-request-id": "y" * 5000,
    }
    url = f"{place.backend.endpoint()}/predict"
    with httpx.Client() as client:
        answers = [client.post(url, json={"rows": [ROW] * 500}, headers=meddling) for _ in range(20)]
    assert {answer.status_code for answer in answers} == {200}
    assert all(len(answer.json()["request_id"]) <= 128 for answer in answers)
    counted = place.backend.request_counts(Colour.BLUE)
    assert counted.errors == before.errors
    assert counted.requests == before.requests + 20


@pytest.mark.parametrize("path", ["", "/predict/"])
def test_the_router_sends_nobody_to_the_host_that_a_caller_names(place: Place, house: House, path: str) -> None:
    release(place, "1")
    url = f"{house.endpoint_url}/{place.pipeline.name}{path}"
    for method in ("GET", "POST"):
        answer = httpx.request(
            method, url, json={"rows": [ROW]}, headers={"host": "evil.example", "x-forwarded-host": "evil.example"}
        )
        assert answer.headers.get("location") in (None, f"/{place.pipeline.name}/")
        assert "evil" not in answer.text
