"""Checks of a colour over HTTP: before the switch its speed, memory and answers, after it that callers get there."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING, Any

from tidewheel.errors import ReleaseError
from tidewheel.polling import poll
from tidewheel.release.artifact import predictions_apart
from tidewheel.release.probe import Probe, Unanswered
from tidewheel.release.stages import StageResult
from tidewheel.release.traffic import POLL_SECONDS, ROUTER_SECONDS, Traffic, await_router, await_traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.release.artifact import Artifact, ExpectedPrediction, Prediction
    from tidewheel.release.backend import Backend
    from tidewheel.release.stages import Confirm, VerifyParity, WarmUp

WARM_UP_REQUESTS, JUDGED_REQUESTS = 30, 15
CONFIRM_ROUNDS = 3
"""So many times is a real request sent through each router before a switch counts as taken."""


def warm_up(stage: WarmUp, backend: Backend, golden: Sequence[ExpectedPrediction]) -> StageResult:
    """Ask a colour for golden rows until it is warm, and hold its latency and its memory against the budgets.

    Of several replicas the slowest counts.

    Raises:
        ReleaseError: it is beyond one of them.
    """
    colour, rows = stage.colour, [row.row for row in golden]
    replicas = [_times(address, backend.token(), rows) for address in backend.addresses(colour)]
    median = round(max(statistics.median(times[-JUDGED_REQUESTS:]) for times in replicas), 3)
    memory = round(backend.memory_mb(colour), 1)
    figures = {
        "first_ms": round(max(times[0] for times in replicas), 3),
        "median_ms": median,
        "worst_ms": round(max(time for times in replicas for time in times[1:]), 3),
        "memory_mb": memory,
    }
    if median > stage.latency_budget_ms:
        raise ReleaseError(
            f"{colour} answers a golden row in {median:g} ms (median of {JUDGED_REQUESTS}), "
            f"more than the {stage.latency_budget_ms:g} ms of serving.latency_budget_ms"
        )
    if memory > stage.memory_budget_mb:
        raise ReleaseError(
            f"{colour} holds {memory:g} MiB of memory, more than the {stage.memory_budget_mb:g} MiB that "
            f"release.memory_budget_mb allows{f' {len(replicas)} replicas' if len(replicas) > 1 else ''}"
        )
    sentence = (
        f"{colour} answers a golden row in {median:g} ms, {stage.latency_budget_ms:g} ms are allowed; "
        f"it holds {memory:g} of {stage.memory_budget_mb:g} MiB"
    )
    return StageResult(sentence, figures)


def _times(address: str, token: str, rows: Sequence[dict[str, Any]]) -> list[float]:
    """Milliseconds of each answer of one replica."""
    with Probe(address, platform_token=token) as probe:
        return [probe.predict([rows[n % len(rows)]]).milliseconds for n in range(WARM_UP_REQUESTS)]


def verify_parity(stage: VerifyParity, backend: Backend, artifact: Artifact) -> StageResult:
    """Compare what a colour answers with the golden rows' offline predictions, and with the live colour.

    Raises:
        ReleaseError: they differ.
    """
    colour, tolerance = stage.colour, stage.tolerance
    golden = artifact.golden_rows()
    with Probe(backend.address(colour), platform_token=backend.token()) as probe:
        answer = probe.predict([row.row for row in golden])
        alone = [probe.predict([row.row]).predictions[0] for row in golden]
    if (answer.version, answer.colour) != (artifact.version, colour):
        raise ReleaseError(
            f"at {backend.address(colour)} version {answer.version} answers as {answer.colour}; "
            f"expected version {artifact.version} as {colour}"
        )
    worst, difference = _furthest(golden, answer.predictions)
    if not difference <= tolerance:
        raise ReleaseError(
            f"{colour} answers {_words(answer.predictions[worst])} for golden row {worst}, offline it was "
            f"{_words(golden[worst].prediction)}: apart by {difference:.2g}, allowed are {tolerance:g}"
        )
    worst, by_itself = _furthest(golden, alone)
    if not by_itself <= tolerance:
        raise ReleaseError(
            f"{colour} answers {_words(alone[worst])} for golden row {worst} alone, and "
            f"{_words(answer.predictions[worst])} among the others: apart by {by_itself:.2g}, allowed are "
            f"{tolerance:g}; a prediction must not depend on the other rows of the request"
        )
    difference = max(difference, by_itself)
    figures = {"rows": len(golden), "max_difference": difference}
    beside = _compare_scores(stage, backend, artifact, answer.scores) if stage.against else ""
    alike = f"{len(golden)} golden rows answered as offline, together and alone"
    return StageResult(f"{alike}, apart by {difference:.1g} at most{beside}", figures)


def _furthest(golden: Sequence[ExpectedPrediction], served: Sequence[Prediction]) -> tuple[int, float]:
    """The golden row whose answer lies furthest from its offline prediction, and how far."""
    worst, difference = 0, 0.0
    for place, (row, said) in enumerate(zip(golden, served, strict=True)):
        apart = predictions_apart(said, row.prediction)
        if not apart <= difference:  # NaN is a difference too
            worst, difference = place, apart
    return worst, difference


def _words(prediction: Prediction) -> str:
    if isinstance(prediction, list):
        return f"[{', '.join(f'{value:g}' for value in prediction)}]"
    return f"{prediction:g}"


def _compare_scores(stage: VerifyParity, backend: Backend, artifact: Artifact, scores: Sequence[float]) -> str:
    """See that the scores have not moved away from the live version's; returns what was compared.

    Raises:
        ReleaseError: they have.
    """
    assert stage.against is not None
    with Probe(backend.address(stage.against), platform_token=backend.token()) as probe:
        try:
            live = probe.predict([row.row for row in artifact.golden_rows()])
        except ReleaseError:
            # With another contract than the new version's it refuses the rows, and there is nothing to compare.
            return f"; {stage.against} does not take these rows, so its scores are not compared"
    if breach := stage.guard.scores_breach(scores, live.scores, artifact.version, live.version):
        raise ReleaseError(breach)
    return f", and spread like those of version {live.version}"


def confirm(stage: Confirm, backend: Backend, row: dict[str, Any]) -> StageResult:
    """See that the router has accepted the switch, and that a row is answered by the new colour through each router.

    Raises:
        ReleaseError: it is not.
    """
    started = time.monotonic()
    await_traffic(backend, Traffic(stage.colour))
    routers = await_router(backend.routers)
    milliseconds = [
        _await_answer(stage, address, backend.token(), row) for _ in range(CONFIRM_ROUNDS) for address in routers
    ]
    seconds, worst = round(time.monotonic() - started, 3), round(max(milliseconds), 3)
    sentence = f"{backend.endpoint()} is answered by version {stage.version} as {stage.colour}"
    if len(routers) > 1:
        sentence += f", through each of {len(routers)} routers"
    return StageResult(sentence, {"seconds": seconds, "through_router_ms": worst})


def _await_answer(stage: Confirm, address: str, token: str, row: dict[str, Any]) -> float:
    """Milliseconds to the answer of the new colour, on a new connection through one router.

    Raises:
        ReleaseError: it does not answer within `ROUTER_SECONDS`.
    """
    for _ in poll(ROUTER_SECONDS, every=POLL_SECONDS):
        with Probe(address, platform_token=token) as probe:
            try:
                answer = probe.predict([row])
                if (answer.colour, answer.version) == (stage.colour, stage.version):
                    return answer.milliseconds
                why = ReleaseError(f"{address} is still answered by version {answer.version} as {answer.colour}")
            except Unanswered as error:  # the router is being started again: not the new version's fault
                why = error
    raise why
