"""Judge a challenger against the champion on later rows that neither was trained on."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from jobs.data.landed_columns import with_landed_columns
from jobs.data.training_data import PARTITION, labelled_rows, read_training_data
from jobs.evaluation.comparison_report import DayLosses, comparison_page
from jobs.evaluation.evidence import CARD_FILE, JudgedVersion, keep_evidence
from jobs.evaluation.footprint import footprint
from jobs.evaluation.judgement import holdout_uses, judgement
from jobs.evaluation.judging import Judged, measure_judged
from jobs.evaluation.usual_days import keep_usual_days, newest_days, recent
from jobs.job import Job, Result, run
from jobs.models import registry
from jobs.models.contract import missing_columns
from jobs.models.files import Untrusted
from jobs.models.metrics import measure
from jobs.models.prediction import Array, answers_of, model_frame, predict
from jobs.models.recalibration import FIT_LINE, LITERAL, Line, line_by_construction
from jobs.models.row_weights import at, weights_of
from jobs.models.standing import standing_before
from jobs.models.steadiness import golden_frame, unsteadiness
from jobs.partial_failures import PartialFailures, cause
from jobs.training.no_challenger import refusal_is_a_verdict
from tidewheel.errors import ModelRefused, UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases
from tidewheel.ledger.trainings import Trainings
from tidewheel.options import EvaluateOptions
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.runs import read_record
from tidewheel.tracing import step

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from bentos.contract import Contract
    from jobs.data.training_data import TrainingData
    from jobs.models.prediction import Model
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.policies.gate.measurement import Footprint, GateMeasurement, Unsteady
    from tidewheel.policies.verdict import Verdict
    from tidewheel.runs import Figure
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.evaluate")
COMPANY_ROWS = 500
"""Rows of the holdout among which golden rows are asked."""


def work(job: Job) -> Result:
    """Compare challenger and champion on the same later rows, and write the verdict down."""
    chosen = read_training_data(job.lake, job.run_id)
    trained = read_record(job.lake, job.run_id, "train").figures
    version = str(trained["version"])
    challenger = registry.trained_version(job.settings, job.pipeline.name, version)
    if gone := registry.lost(job.settings, challenger):
        raise UsageError(f"{job.pipeline.name}: version {version} cannot be judged: it {gone}")
    champion = _champion_of(job, challenger)
    model = registry.load_judged_model(job.settings, challenger)
    with refusal_is_a_verdict(job):
        paired = _judge(job, chosen, model, challenger, champion)
    judged = recent(job.pipeline, paired)
    days = _content_of(chosen, judged)
    ledger, failures = Ledger.open(job.settings), PartialFailures()
    measured = measure_judged(
        job.pipeline,
        judged,
        version,
        footprint=_footprint(job, challenger, model, judged, failures),
        holdout=days,
        holdout_uses=holdout_uses(ledger, job.pipeline.name, version, days),
        unsteady=_unsteady(job, challenger, model, judged),
        failures=failures,
    )
    decided = GatePolicy.of(job.pipeline).decide(measured)
    verdict = replace(decided, inputs={**decided.inputs, "as_of": str(chosen.as_of)})
    line = LITERAL
    with failures.named("what the predictions mean"):
        line = _meaning(job.pipeline, judged, trained)
    if not line.is_literal:
        verdict = replace(verdict, inputs={**verdict.inputs, "meaning": line.to_json()})
    card = verdict.sentence
    with failures.named("the model card"):
        evidence = JudgedVersion(challenger, model, chosen, judged, measured, verdict)
        card = keep_evidence(job.settings, job.pipeline, evidence, failures)
    links = _pages(job, challenger)
    with failures.named("the comparison page"):
        links["Report"] = _keep_report(job, chosen, judged, measured, verdict, failures)
    if job.pipeline.on_probation and champion is not None:
        with failures.named("how far the days of the two versions differ"):
            keep_usual_days(job, ledger, paired, version, champion.version or "")
    found = judgement(job.pipeline, chosen.as_of, measured, verdict.outcome, line)
    Trainings(ledger).judged(job.pipeline.name, job.run_id, found, datetime.now(UTC))
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
    name, found = job.pipeline.name, standing_before(job.settings, job.pipeline, challenger.version or "")
    if found.astray:
        log.warning("%s: %s", name, found.astray)
        if found.champion is None and (answers := _answering(job)):
            raise Untrusted(f"{name}: version {answers} answers, and {registry.unknown(name, answers)}")
    return found.champion


def _answering(job: Job) -> str:
    endpoint = Releases(Ledger.open(job.settings)).endpoint(job.pipeline.name)
    return endpoint.version if endpoint else ""


@step("predict")
def _judge(
    job: Job, chosen: TrainingData, model: Model, challenger: ModelVersionRow, champion: ModelVersionRow | None
) -> Judged:
    """Ask both models about the holdout days that neither has learned from; about the newest days where none is."""
    pipeline = job.pipeline
    learned_until = registry.judged_train_end(champion) if champion else ""
    if pipeline.on_probation:
        days = newest_days(chosen.training)
    else:
        days = [day for day in chosen.holdout if str(day.day) > learned_until]
    rows = labelled_rows(job.lake, pipeline, days)
    rows = with_landed_columns(job.lake, rows, pipeline.key, rows[PARTITION], sorted(pipeline.gate.columns))
    truth = rows[pipeline.labels.column].to_numpy()
    number = (champion.version or "") if champion else ""
    if rows.empty:
        return Judged(rows, truth, truth, truth if champion else None, number)
    judged = Judged(rows, truth, _asked(challenger, model, rows, pipeline), weights=weights_of(rows, pipeline))
    if champion is None:
        return judged
    try:
        contract = registry.contract(job.settings, pipeline.name, number)
        theirs = registry.load_judged_model(job.settings, champion)
    except Untrusted as error:
        why = (
            f"version {number}, the champion, cannot be opened, so the two cannot be compared ({error}); bring its "
            f"files back, or promote version {challenger.version} with --override-reason"
        )
        return replace(judged, champion_version=number, incomparable=why)
    if lacking := missing_columns(contract, pipeline.features):
        why = (
            f"version {number}, the champion, wants columns that the features have no more "
            f"({', '.join(lacking)}), so the two cannot be compared; put them back, or promote version "
            f"{challenger.version} with --override-reason"
        )
        return replace(judged, champion_version=number, incomparable=why)
    try:
        said = _asked(champion, theirs, rows, pipeline, contract)
    except ModelRefused as error:
        return replace(judged, champion_version=number, incomparable=f"{error}, so the two cannot be compared")
    return replace(judged, champion=said, champion_version=number)


def _asked(
    version: ModelVersionRow, model: Model, rows: pd.DataFrame, pipeline: Pipeline, contract: Contract | None = None
) -> Array:
    """A model's predictions.

    Raises:
        ModelRefused: it has none.
    """
    try:
        if contract is not None:
            return answers_of(model, contract, rows, pipeline)
        return predict(model, model_frame(rows, pipeline.features), pipeline.task)
    except Exception as error:  # a team's code raises whatever it likes
        raise ModelRefused(
            f"version {version.version} cannot predict the {len(rows):,} rows of the holdout ({cause(error)})"
        ) from error


def _footprint(
    job: Job, challenger: ModelVersionRow, model: Model, judged: Judged, failures: PartialFailures
) -> Footprint | None:
    if judged.rows.empty:
        return None
    frame, found = model_frame(judged.rows.head(1), job.pipeline.features), None
    with failures.named("latency and size"):
        found = footprint(model, registry.model_size(job.settings, challenger), frame, job.pipeline.task)
    return found


def _unsteady(job: Job, challenger: ModelVersionRow, model: Model, judged: Judged) -> Unsteady | None:
    """Ask the model that would serve for each golden row alone, again, and among other rows."""
    settings, pipeline, number = job.settings, job.pipeline, challenger.version or ""
    if challenger.judged_train_end:  # the gate judges its twin
        model = registry.load_model(settings, pipeline.name, number)
    contract = registry.contract(settings, pipeline.name, number)
    others = model_frame(judged.rows.head(COMPANY_ROWS), contract) if len(judged.rows) else None
    tolerance = pipeline.release.parity_tolerance
    return unsteadiness(model, golden_frame(contract), pipeline.task, tolerance, others)


def _meaning(pipeline: Pipeline, judged: Judged, trained: Mapping[str, Figure]) -> Line:
    """What the challenger's predictions mean, where the model is off by construction; monitoring asks the ledger."""
    known = {
        name.removeprefix(FIT_LINE): float(str(value)) for name, value in trained.items() if name.startswith(FIT_LINE)
    }
    fitted = Line.from_json(known)
    days, weights = judged.rows[PARTITION], judged.weights
    return line_by_construction(fitted, judged.truth, judged.challenger, days, pipeline.task, weights)


def _content_of(chosen: TrainingData, judged: Judged) -> tuple[str, ...]:
    """The days judged on, each by the content of its features and labels."""
    days = set(judged.rows[PARTITION])
    return tuple(
        f"{day.day} {day.features.content_hash[:12]} {day.labels.content_hash[:12]}"
        for day in chosen.holdout
        if str(day.day) in days
    )


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
        "outcome": str(verdict.outcome),
        "version": measured.challenger_version,
        "champion_version": measured.comparison.champion_version if measured.comparison else None,
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
