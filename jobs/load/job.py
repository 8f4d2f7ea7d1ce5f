"""The job: find rows and the endpoint, play the load, and leave page and JSON in the lake."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from jobs.job import Job, Result
from jobs.load.arrivals import Arrivals, LoadResult, Plan
from jobs.load.connection import LoadTarget
from jobs.load.figures import Figures, figures, not_reached
from jobs.load.page import Shown, load_page, sentence
from jobs.load.replicas import ReplicaCounter
from jobs.models.prediction import model_frame
from tidewheel.errors import LakeError, PlatformError, ReleaseError, UsageError
from tidewheel.ledger.plain_json import plain
from tidewheel.options import LoadOptions
from tidewheel.release.backend import open_backend
from tidewheel.release.probe import PROBE, Probe, caller_token
from tidewheel.unknown import known_figures

if TYPE_CHECKING:
    from tidewheel.release.backend import Backend

log = logging.getLogger("tidewheel.load")
MOST_BODIES = 500
MOST_REQUESTS = 5_000_000
"""Each outcome stays in memory until the end, at about 200 bytes."""


def work(job: Job[LoadOptions]) -> Result:
    """Send requests to a pipeline's endpoint at a constant rate, and leave a page with how they were answered."""
    plan = _plan(job.options)
    backend = None if job.options.url else open_backend(job.settings, job.pipeline.name)
    endpoint = _endpoint(job, backend)
    rows = _rows(job, MOST_BODIES * job.options.batch)
    bodies = [
        json.dumps({"rows": rows[begin : begin + job.options.batch]}).encode()
        for begin in range(0, max(len(rows) - job.options.batch, 0) + 1, job.options.batch)
    ]
    log.info("%s requests, %g a second, to %s/predict", f"{plan.requests:,}", plan.rate, endpoint.url)
    with ReplicaCounter(backend) as replicas:
        played = asyncio.run(Arrivals(endpoint, bodies).play(plan))
    measured = figures(played)
    if replicas.problem:
        log.warning("the number of replicas is not known for all of the time: %s", replicas.problem)
    shown = Shown(job.pipeline, endpoint.url, plan, len(json.loads(bodies[0])["rows"]), measured, replicas.counts)
    folder = f"{job.pipeline.name}/reports/load/{job.run_id}"
    page = load_page(shown, not_reached(played, measured), backend is not None, job.code_version)
    job.lake.store.replace(f"{folder}/load.html", page.encode())
    job.lake.store.replace(f"{folder}/load.json", json.dumps(_as_json(played, shown), indent=1).encode())
    _refuse(measured, played, sentence(shown), job.lake.store.url(f"{folder}/load.html"))
    return Result(
        figures={"requests": measured.requests, "rate": round(measured.rate, 1), **_known(measured)},
        links={"Load": f"{folder}/load.html", "Figures": f"{folder}/load.json"},
        sentence=f"{sentence(shown)}; page: {job.lake.store.url(f'{folder}/load.html')}",
    )


def _plan(options: LoadOptions) -> Plan:
    plan = Plan(options.rps, options.seconds)
    if plan.requests > MOST_REQUESTS:
        raise UsageError(f"found {plan.requests:,} requests in all; expected at most {MOST_REQUESTS:,}")
    return plan


def _endpoint(job: Job[LoadOptions], backend: Backend | None) -> LoadTarget:
    """Where the requests go; one request has been answered there.

    Raises:
        ReleaseError: nothing is live, nobody answers, or a request is refused.
    """
    name, token = job.pipeline.name, ""
    if backend is None:
        url = (job.options.url or "").rstrip("/")
    else:
        url, token = backend.endpoint(), backend.token()
        if backend.traffic().live is None:
            raise ReleaseError(
                f"no version of {name} is live, so nothing answers at {url}: run `tidewheel release {name}`"
            )
    # The prediction log and monitoring leave out what shows the token of the platform.
    headers = {PROBE: token} if token else {}
    if caller := caller_token():
        headers["authorization"] = f"Bearer {caller}"
    endpoint = LoadTarget(url, headers)
    endpoint.request(b"")  # refuses what is no URL
    with Probe(url, platform_token=token) as probe:
        probe.predict(_rows(job, 1))
    return endpoint


def _rows(job: Job, most: int) -> list[dict[str, Any]]:
    """Rows of the last day of features, as a caller sends them.

    Raises:
        LakeError: no day is published.
    """
    day = job.lake.newest("features")
    if day is None:
        raise LakeError(
            f"no day of {job.pipeline.name}'s features is published, and the load is made of such rows: run its "
            "features DAG first"
        )
    table = job.lake.read(job.lake.need("features", day), columns=job.pipeline.features.columns)
    frame = model_frame(table.slice(0, most).to_pandas(), job.pipeline.features)
    rows: list[dict[str, Any]] = json.loads(frame.to_json(orient="records"))
    return rows


def _refuse(measured: Figures, played: LoadResult, said: str, page: str) -> None:
    """End with an error where requests failed or the rate was not reached; the page is written by then."""
    if measured.failures:
        raise ReleaseError(f"{said}; page: {page}")
    if why := not_reached(played, measured):
        raise PlatformError(f"{said}. {why[0].upper()}{why[1:]}; page: {page}")


def _known(found: Figures) -> dict[str, float]:
    return {f"{name}_ms": round(value, 2) for name, value in known_figures(found.latency).items()}


def _as_json(played: LoadResult, shown: Shown) -> dict[str, Any]:
    found = asdict(shown.found)
    found["answered"] = [
        {"version": version, "colour": colour, "requests": count}
        for (version, colour), count in shown.found.answered.items()
    ]
    document = {
        "pipeline": shown.pipeline.name,
        "url": shown.url,
        "rps": played.plan.rate,
        "seconds": played.plan.seconds,
        "rows_per_request": shown.batch,
        "replicas": list(shown.replicas),
        **found,
    }
    return {name: plain(value) for name, value in document.items()}
