"""`python -m jobs.load`: rows of the lake go to the endpoint, and a page is left, whatever came of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.free_ports import free_port
from tests.jobs.load.conftest import Scripted
from tests.parcels import START, Parcels
from tests.tidewheel.release.conftest import MemoryBackend
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic
from tidewheel.runs import JobRecord
from tidewheel.settings import Settings

RunJob = Callable[..., JobRecord]
backend = MemoryBackend()


def ours(settings: Settings, pipeline: str) -> MemoryBackend:
    """The backend; named by TIDEWHEEL_RELEASE_BACKEND."""
    return backend


@pytest.fixture
def parcels(make_parcels: Callable[..., Parcels], monkeypatch: pytest.MonkeyPatch) -> Parcels:
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", f"{__name__}:ours")
    monkeypatch.setattr("jobs.load.job.not_reached", lambda played, found: "")  # other tests may keep this machine busy
    made = make_parcels()
    made.publish_day(START)
    return made


@pytest.fixture
def load(run_job: RunJob, parcels: Parcels) -> Callable[..., JobRecord]:
    def run(*options: str, rps: float = 40, seconds: float = 1) -> JobRecord:
        return run_job(parcels, "load", START, "load-1", "--rps", str(rps), "--seconds", str(seconds), *options)

    return run


def page(parcels: Parcels) -> str:
    [path] = Path(parcels.settings.home).glob("**/reports/load/load-1/load.html")
    return path.read_text()


def test_rows_of_the_last_day_go_to_the_live_endpoint_and_are_marked_as_ours(
    load: Callable[..., JobRecord], parcels: Parcels, endpoint: Scripted, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = MemoryBackend(endpoint.url, {Colour.GREEN: "7"}, started={Colour.GREEN: 3}, routes=Traffic(Colour.GREEN))
    monkeypatch.setattr(f"{__name__}.backend", live)
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_TOKEN", "callers")
    record = load("--batch", "4")
    assert record.figures["requests"] == 40
    sent = endpoint.received[1:]  # the first one is a look whether anybody answers
    assert {len(one["rows"]) for one in sent} == {4}
    assert set(sent[0]["rows"][0]) == {"weight", "distance", "carrier"}
    assert {(one["x-tidewheel-probe"], one["authorization"]) for one in sent} == {("ours", "Bearer callers")}
    written = page(parcels)
    assert "0 of 40 requests failed" in written
    assert "3 to 3" in written, "the number of replicas"
    assert "<td>7</td><td>green</td>" in written
    assert "http" not in written.replace(f"{endpoint.url}/endpoint/predict", ""), "the page loads nothing"
    figures = json.loads(next(Path(parcels.settings.home).glob("**/load.json")).read_text())
    assert figures["answered"] == [{"version": "7", "colour": "green", "requests": 40}]


def test_another_endpoint_gets_no_token_of_this_platform(
    load: Callable[..., JobRecord], parcels: Parcels, endpoint: Scripted
) -> None:
    load("--url", endpoint.url)
    assert {one.get("x-tidewheel-probe") for one in endpoint.received} == {None}
    assert "not marked" in page(parcels)


def test_failed_requests_fail_the_command_and_are_on_the_page(
    load: Callable[..., JobRecord], parcels: Parcels, endpoint: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.behaviour = lambda _: 200 if len(endpoint.received) < 20 else 500
    with pytest.raises(SystemExit) as ended:
        load("--url", endpoint.url)
    assert ended.value.code == 1
    assert "of 40 requests failed" in caplog.text
    assert "load.html" in caplog.text
    assert "<td>HTTP 500</td>" in page(parcels)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            (),
            "no version of parcels is live, so nothing answers at http://127.0.0.1:1/endpoint: run `tidewheel release",
        ),
        (("--url", "http://127.0.0.1:{port}/parcels"), "http://127.0.0.1:{port}/parcels/predict does not answer"),
        (("--url", "parcels"), "found the URL 'parcels'; expected http://HOST:PORT/PIPELINE"),
        (
            ("--url", "http://127.0.0.1:{port}/parcels", "--batch", "0"),
            "--batch: found '0'; expected a whole number of at least 1",
        ),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_sent(
    load: Callable[..., JobRecord],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    options: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.setattr(f"{__name__}.backend", MemoryBackend("http://127.0.0.1:1"))
    port = free_port()
    with pytest.raises(SystemExit):
        load(*(option.format(port=port) for option in options))
    assert said.format(port=port) in caplog.text


def test_without_a_published_day_there_are_no_rows_to_send(
    run_job: RunJob, make_parcels: Callable[..., Parcels], endpoint: Scripted, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SystemExit):
        run_job(make_parcels(), "load", START, "load-1", "--rps", "1", "--seconds", "1", "--url", endpoint.url)
    assert "no day of parcels's features is published" in caplog.text


def test_a_rate_that_was_not_kept_fails_the_command_with_what_was_reached(
    load: Callable[..., JobRecord],
    endpoint: Scripted,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("jobs.load.job.not_reached", lambda played, found: "this machine did not keep the rate")
    with pytest.raises(SystemExit) as ended:
        load("--url", endpoint.url)
    assert ended.value.code == 1
    assert "This machine did not keep the rate; page: " in caplog.text
