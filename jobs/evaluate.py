"""Judge a challenger against the champion on later rows that neither was trained on."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.data.training_data import PARTITION, read_training_data
from jobs.evaluation.comparison_report import DayLosses, comparison_page
from jobs.evaluation.evidence import CARD_FILE, JudgedVersion, keep_evidence
from jobs.evaluation.footprint import footprint
from jobs.evaluation.judgement import judgement
from jobs.job import Job, Result, run
from jobs.loop.judge import compare, conclude, judge, meaning
from jobs.memory.ledger import LedgerMemory, champion_of
from jobs.models import registry
from jobs.models.files import Untrusted
from jobs.models.metrics import measure
from jobs.models.prediction import Array, model_frame
from jobs.models.recalibration import FIT_LINE, LITERAL, CalibrationLine
from jobs.models.row_weights import at
from jobs.models.standing import standing_before
from jobs.models.steadiness import golden_frame, unsteadiness
from jobs.partial_failures import PartialFailures
from jobs.training.refusals import refusal_is_a_verdict
from tidewheel.errors import UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases
from tidewheel.options import EvaluateOptions
from tidewheel.runs import CHAMPION_VERSION, OUTCOME, read_record
from tidewheel.tracing import step

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from jobs.data.training_data import TrainingData
    from jobs.evaluation.judging import Judged
    from jobs.models.prediction import FittedModel
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.policies.gate.measurement import Footprint, GateMeasurement, Unsteady
    from tidewheel.policies.verdict import Verdict
    from tidewheel.runs import Figure
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.evaluate")
COMPANY_ROWS = 500
"""Rows of the holdout from which golden rows are chosen."""


def work(job: Job) -> Result:
    """Compare challenger and champion on the same later rows, and write the verdict down."""
    chosen = read_training_data(job.lake, job.run_id)
    trained = read_record(job.lake, job.run_id, "train").figures
    version = str(trained["version"])
    challenger = registry.trained_version(job.settings, job.pipeline.name, version)
    if gone := registry.lost(job.settings, challenger):
        raise UsageError(f"{job.pipeline.name}: version {version} cannot be judged: it {gone}")
    champion = _champion_of(job, challenger)
    memory, ledger, failures = LedgerMemory(job), Ledger.open(job.settings), PartialFailures()
    model = memory.judged_model(version)
    with refusal_is_a_verdict(job), step("predict"):
        compared = compare(memory, chosen, version, champion_of(champion) if champion else None)
    judged = compared.judged
    measured, decided = judge(
        memory,
        compared,
        version,
        _footprint(job, challenger, model, judged, failures),
        _unsteady(job, challenger, model, judged),
        failures,
    )
    verdict = replace(decided, inputs={**decided.inputs, "as_of": str(chosen.as_of)})
    line = LITERAL
    with failures.named("what the predictions mean"):
        line = meaning(job.pipeline, judged, lambda: _fitted_line(trained))
    if not line.is_literal:
        verdict = replace(verdict, inputs={**verdict.inputs, "meaning": line.to_json()})
    card = verdict.sentence
    with failures.named("the model card"):
        evidence = JudgedVersion(challenger, model, chosen, judged, measured, verdict)
        card = keep_evidence(job.settings, job.pipeline, evidence, failures)
    links = _pages(job, challenger)
    with failures.named("the comparison page"):
        links["Report"] = _keep_report(job, chosen, judged, measured, verdict, failures)
    conclude(memory, compared, judgement(job.pipeline, chosen.as_of, measured, verdict.outcome, line), failures)
    _write_down(job, ledger, challenger, champion, verdict, card)
    return Result(
        inputs={name: value for name, value in chosen.inputs.items() if _is_judged_on(judged, name)},
        figures=_figures(job.pipeline, measured, verdict),
        links=links,
        sentence=verdict.sentence,
        warnings=failures.sentences,
    )


def _champion_of(job: Job, challenger: ModelVersionRow) -> ModelVersionRow | None:
    """The version to beat, also where MLflow has lost it; for a challenger that was promoted already, its predecessor.

    Raises:
        Untrusted: there is one that the ledger does not know: it must not be taken for none.
    """
    name, champion = job.pipeline.name, standing_before(job.settings, job.pipeline, challenger.version or "")
    if champion.astray:
        log.warning("%s: %s", name, champion.astray)
        if champion.champion is None and (answers := _answering(job)):
            raise Untrusted(f"{name}: version {answers} answers, and {registry.unknown(name, answers)}")
    return champion.champion


def _answering(job: Job) -> str:
    endpoint = Releases(Ledger.open(job.settings)).endpoint(job.pipeline.name)
    return endpoint.version if endpoint else ""


def _footprint(
    job: Job, challenger: ModelVersionRow, model: FittedModel, judged: Judged, failures: PartialFailures
) -> Footprint | None:
    if judged.rows.empty:
        return None
    frame, columns = model_frame(judged.rows.head(1), job.pipeline.features), None
    with failures.named("latency and size"):
        columns = footprint(model, registry.model_size(job.settings, challenger), frame, job.pipeline.task)
    return columns


def _unsteady(job: Job, challenger: ModelVersionRow, model: FittedModel, judged: Judged) -> Unsteady | None:
    """Ask the model that would serve for each golden row alone, again, and among other rows."""
    settings, pipeline, number = job.settings, job.pipeline, challenger.version or ""
    if challenger.judged_train_end:  # the gate judges its twin
        model = registry.load_model(settings, pipeline.name, number)
    contract = registry.contract(settings, pipeline.name, number)
    others = model_frame(judged.rows.head(COMPANY_ROWS), contract) if len(judged.rows) else None
    tolerance = pipeline.release.parity_tolerance
    return unsteadiness(model, golden_frame(contract), pipeline.task, tolerance, others)


def _fitted_line(trained: Mapping[str, Figure]) -> CalibrationLine:
    """The line on the rows that the challenger has learned from, as `train` has measured it."""
    known = {
        name.removeprefix(FIT_LINE): float(str(value)) for name, value in trained.items() if name.startswith(FIT_LINE)
    }
    return CalibrationLine.from_json(known)


def _keep_report(
    job: Job,
    chosen: TrainingData,
    judged: Judged,
    measured: GateMeasurement,
    verdict: Verdict,
    failures: PartialFailures,
) -> str:
    """Keep the page in the lake; returns its path relative to the lake's root."""
    path = f"{job.pipeline.name}/reports/{chosen.as_of}/comparison-{measured.challenger_version}.html"
    days = [
        DayLosses(
            str(day),
            len(part),
            _loss(job.pipeline, judged, part.index, judged.challenger),
            None if judged.champion is None else _loss(job.pipeline, judged, part.index, judged.champion),
        )
        for day, part in judged.rows.groupby(PARTITION)
    ]
    page = comparison_page(job.pipeline.name, job.pipeline.metric, measured, verdict, days, failures.sentences)
    job.lake.store.replace(path, page.encode())
    return path


def _loss(pipeline: Pipeline, judged: Judged, where: pd.Index[Any], answers: Array) -> float:
    truth, weights = judged.truth[where], at(judged.weights, where)
    return measure(truth, answers[where], pipeline.task, weights=weights, loss=pipeline.loss)[pipeline.metric]


@step("write")
def _write_down(
    job: Job, ledger: Ledger, challenger: ModelVersionRow, champion: ModelVersionRow | None, verdict: Verdict, card: str
) -> None:
    """The ledger is what `promote` asks; the tags are for the eye."""
    now, compared_with = datetime.now(UTC), (champion.version or "") if champion else ""
    Models(ledger).judged(challenger, compared_with)
    ledger.record(job.pipeline.name, f"version {challenger.version}", job.run_id, verdict, now)
    tags = {
        registry.VERDICT: str(verdict.outcome),
        registry.VERDICT_SENTENCE: verdict.sentence,
        registry.COMPARED_WITH: compared_with,
    }
    registry.tag_version(job.settings, challenger, tags, description=card)
    ledger.close_request(job.pipeline.name, job.run_id, now)


def _pages(job: Job, challenger: ModelVersionRow) -> dict[str, str]:
    pages = registry.pages(job.settings, challenger)
    return {**pages, "Model card": f"{pages['MLflow run']}/artifacts/{CARD_FILE}"} if pages else {}


def _is_judged_on(judged: Judged, name: str) -> bool:
    return name.split("/")[1] in set(judged.rows[PARTITION])


def _figures(pipeline: Pipeline, measured: GateMeasurement, verdict: Verdict) -> dict[str, float | str | None]:
    figures: dict[str, float | str | None] = {
        OUTCOME: str(verdict.outcome),
        "version": measured.challenger_version,
        CHAMPION_VERSION: measured.comparison.champion_version if measured.comparison else None,
        "metric": pipeline.metric,
        "rows": measured.rows,
        "days": measured.days,
    }
    known = {name: value for name, value in measured.challenger.items() if value == value}  # NaN is unknown
    if measured.comparison is None:
        return figures | known
    theirs = {f"champion_{name}": value for name, value in measured.comparison.champion.items() if value == value}
    return figures | known | theirs | {"difference": measured.comparison.loss_difference}


if __name__ == "__main__":
    run(work, EvaluateOptions)
