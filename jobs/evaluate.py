"""Judge a challenger against the champion on later rows that neither was trained on."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs.data.training_data import PARTITION, labelled_rows, read_training_data
from jobs.evaluation.comparison_report import DayLosses, comparison_page
from jobs.evaluation.evidence import CARD_FILE, keep_evidence
from jobs.evaluation.footprint import footprint
from jobs.evaluation.judging import Judged, gate_policy, measure_judged
from jobs.job import Job, Result, run
from jobs.models import registry
from jobs.models.files import Untrusted
from jobs.models.metrics import measure
from jobs.models.prediction import Array, model_frame, predict
from jobs.models.standing import standing_before
from tidewheel.errors import UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases
from tidewheel.policies.verdict import Kind
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from jobs.data.training_data import TrainingData
    from jobs.models.prediction import Model
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.policies.gate import Footprint, GateMeasurement
    from tidewheel.policies.verdict import Verdict
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.evaluate")


def work(job: Job) -> Result:
    """Compare challenger and champion on the same later rows, and write the verdict down."""
    chosen = read_training_data(job.lake, job.run_id)
    version = str(read_record(job.lake, job.run_id, "train").figures["version"])
    challenger = registry.trained_version(job.settings, job.pipeline.name, version)
    if gone := registry.lost(job.settings, challenger):
        raise UsageError(f"{job.pipeline.name}: version {version} cannot be judged: it {gone}")
    champion = _champion_of(job, challenger)
    model = registry.load_judged_model(job.settings, challenger)
    judged = _judge(job, chosen, model, challenger, champion)
    days = _content_of(chosen, judged)
    ledger = Ledger.open(job.settings)
    measured = measure_judged(
        job.pipeline,
        judged,
        version,
        footprint=_footprint(job, challenger, model, judged),
        holdout=days,
        holdout_uses=_uses(ledger, job.pipeline.name, version, days),
    )
    decided = gate_policy(job.pipeline).decide(measured)
    # the trigger counts its rests from that day
    verdict = replace(decided, inputs={**decided.inputs, "as_of": str(chosen.as_of)})
    report = _keep_report(job, chosen, judged, measured, verdict)
    card = keep_evidence(job.settings, job.pipeline, challenger, model, chosen, judged, measured, verdict)
    _write_down(job, ledger, challenger, champion, verdict, card)
    return Result(
        inputs={name: value for name, value in chosen.inputs.items() if _is_held_out(chosen, name)},
        figures=_figures(job.pipeline, measured, verdict),
        links={"Report": report, **_pages(job, challenger)},
        sentence=verdict.sentence,
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


def _judge(
    job: Job, chosen: TrainingData, model: Model, challenger: ModelVersionRow, champion: ModelVersionRow | None
) -> Judged:
    """Ask both models about the holdout days that neither has learned from."""
    pipeline = job.pipeline
    learned_until = registry.judged_train_end(champion) if champion else ""
    days = [day for day in chosen.holdout if str(day.day) > learned_until]
    rows = labelled_rows(job.lake, pipeline, days)
    truth = rows[pipeline.labels.column].to_numpy()
    number = (champion.version or "") if champion else ""
    if rows.empty:
        return Judged(rows, truth, truth, truth if champion else None, number)
    answers = predict(model, model_frame(rows, pipeline.features), pipeline.task)
    if champion is None:
        return Judged(rows, truth, answers)
    try:
        contract = registry.contract(job.settings, pipeline.name, number)
        theirs = registry.load_judged_model(job.settings, champion)
    except Untrusted as error:
        why = (
            f"version {number}, the champion, cannot be opened, so the two cannot be compared ({error}); bring its "
            f"files back, or promote version {challenger.version} with --override-reason"
        )
        return Judged(rows, truth, answers, None, number, why)
    if lacking := contract.lacking(pipeline.features):
        why = (
            f"version {number}, the champion, wants columns that the features have no more "
            f"({', '.join(lacking)}), so the two cannot be compared; put them back, or promote version "
            f"{challenger.version} with --override-reason"
        )
        return Judged(rows, truth, answers, None, number, why)
    said = predict(theirs, model_frame(rows, contract), pipeline.task)
    return Judged(rows, truth, answers, said, number)


def _footprint(job: Job, challenger: ModelVersionRow, model: Model, judged: Judged) -> Footprint | None:
    if judged.rows.empty:
        return None
    frame = model_frame(judged.rows.head(1), job.pipeline.features)
    return footprint(model, registry.model_size(job.settings, challenger), frame, job.pipeline.task)


def _content_of(chosen: TrainingData, judged: Judged) -> tuple[str, ...]:
    """The days judged on, each by the content of its features and labels."""
    days = set(judged.rows[PARTITION])
    return tuple(
        f"{day.day} {day.features.content_hash[:12]} {day.labels.content_hash[:12]}"
        for day in chosen.holdout
        if str(day.day) in days
    )


def _uses(ledger: Ledger, pipeline: str, version: str, days: tuple[str, ...]) -> int:
    """How many earlier challengers were judged on some of these days; this one, judged again, does not count."""
    judged = {
        str(row.inputs["version"])
        for row in ledger.verdicts(pipeline, Kind.GATE, limit=None)
        if set(row.inputs.get("holdout", ())) & set(days)
    }
    return sum(int(other) < int(version) for other in judged)


def _keep_report(job: Job, chosen: TrainingData, judged: Judged, measured: GateMeasurement, verdict: Verdict) -> str:
    """Keep the page in the lake; returns its path relative to the lake's root."""
    path = f"{job.pipeline.name}/reports/{chosen.as_of}/comparison-{measured.challenger_version}.html"
    days = [
        DayLosses(
            str(day),
            len(part),
            _loss(job.pipeline, judged.truth[part.index], judged.challenger[part.index]),
            None
            if judged.champion is None
            else _loss(job.pipeline, judged.truth[part.index], judged.champion[part.index]),
        )
        for day, part in judged.rows.groupby(PARTITION)
    ]
    page = comparison_page(job.pipeline.name, job.pipeline.metric, measured, verdict, days)
    job.lake.store.replace(path, page.encode())
    return path


def _loss(pipeline: Pipeline, truth: Array, answers: Array) -> float:
    return measure(truth, answers, pipeline.task)[pipeline.metric]


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


def _is_held_out(chosen: TrainingData, name: str) -> bool:
    return name.split("/")[1] in {str(day.day) for day in chosen.holdout}


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
    run("evaluate", work)
