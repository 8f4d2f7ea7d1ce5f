"""Judge a challenger against the champion on later rows that neither was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from jobs import registry
from jobs.comparison import loss_difference
from jobs.comparison_report import DayLosses, comparison_page
from jobs.job import Job, Result, run
from jobs.metrics import measure
from jobs.prediction import Array, model_frame, predict
from jobs.training_data import PARTITION, labelled_rows, read_training_data
from tidewheel.ledger import Ledger
from tidewheel.policies.gate import Comparison, GateMeasurement, GatePolicy
from tidewheel.runs import read_record
from tidewheel.spec import LOWER_IS_BETTER

if TYPE_CHECKING:
    import pandas as pd

    from jobs.prediction import Model
    from jobs.registry import ModelVersion
    from jobs.training_data import TrainingData
    from tidewheel.policies.verdict import Verdict
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class Judged:
    """What both models said to the same rows."""

    rows: pd.DataFrame
    truth: Array
    challenger: Array
    champion: Array | None
    incomparable: str = ""


def work(job: Job) -> Result:
    """Compare challenger and champion on the same later rows, and write the verdict down."""
    chosen = read_training_data(job.lake, job.run_id)
    version = str(read_record(job.lake, job.run_id, "train").figures["version"])
    challenger = registry.model_version(job.settings, job.pipeline.name, version)
    champion = _champion_of(job, challenger)
    judged = _judge(job, chosen, challenger, champion)
    measured = _measure(job.pipeline, judged, challenger, champion)
    verdict = gate_policy(job.pipeline).decide(measured)
    report = _keep_report(job, chosen, judged, measured, verdict)
    _write_down(job, challenger, verdict)
    return Result(
        inputs={name: value for name, value in chosen.inputs.items() if _is_held_out(chosen, name)},
        figures=_figures(job.pipeline, measured, verdict),
        links={"Report": report, **registry.pages(job.settings, challenger)},
        sentence=verdict.sentence,
    )


def gate_policy(pipeline: Pipeline) -> GatePolicy:
    """The pipeline's gate as a policy."""
    gate = pipeline.gate
    return GatePolicy(
        metric=pipeline.metric,
        lower_is_better=pipeline.metric in LOWER_IS_BETTER,
        margin=gate.margin,
        confidence=gate.confidence,
        minimum_days=gate.minimum_days,
        floors={str(name): value for name, value in gate.floors.items()},
        ceilings={str(name): value for name, value in gate.ceilings.items()},
    )


def _champion_of(job: Job, challenger: ModelVersion) -> ModelVersion | None:
    """The version to beat; for a challenger that was promoted already (the run is repeated), the one it replaced."""
    found = registry.champion(job.settings, job.pipeline.name)
    if found is None or found.version != challenger.version:
        return found
    previous = challenger.tags.get(registry.PREVIOUS_VERSION)
    return registry.model_version(job.settings, job.pipeline.name, previous) if previous else None


def _judge(job: Job, chosen: TrainingData, challenger: ModelVersion, champion: ModelVersion | None) -> Judged:
    """Ask both models about the holdout days that neither has learned from."""
    pipeline = job.pipeline
    learned_until = champion.tags.get(registry.TRAIN_END, "") if champion else ""
    days = [day for day in chosen.holdout if str(day.day) > learned_until]
    rows = labelled_rows(job.lake, pipeline, days)
    truth = rows[pipeline.labels.column].to_numpy()
    if rows.empty:
        return Judged(rows, truth, truth, truth if champion else None)
    answers = predict(_model(job, challenger), model_frame(rows, pipeline.features), pipeline.task)
    if champion is None:
        return Judged(rows, truth, answers, None)
    contract = registry.contract(job.settings, pipeline.name, champion.version)
    if lacking := contract.lacking(pipeline.features):
        why = (
            f"version {champion.version}, the champion, wants columns that the features have no more "
            f"({', '.join(lacking)}), so the two cannot be compared; put them back, or promote version "
            f"{challenger.version} with --override-reason"
        )
        return Judged(rows, truth, answers, None, why)
    theirs = predict(_model(job, champion), model_frame(rows, contract), pipeline.task)
    return Judged(rows, truth, answers, theirs)


def _model(job: Job, version: ModelVersion) -> Model:
    return registry.load_model(job.settings, job.pipeline.name, version.version)


def _measure(
    pipeline: Pipeline, judged: Judged, challenger: ModelVersion, champion: ModelVersion | None
) -> GateMeasurement:
    comparison = None
    if champion is not None and judged.champion is not None and len(judged.rows):
        difference, bound = loss_difference(
            pipeline.metric,
            judged.truth,
            judged.challenger,
            judged.champion,
            judged.rows[PARTITION],
            confidence=pipeline.gate.confidence,
            seed=pipeline.training.seed,
        )
        figures = measure(judged.truth, judged.champion, pipeline.task)
        comparison = Comparison(champion.version, figures, difference, bound)
    return GateMeasurement(
        challenger_version=challenger.version,
        challenger=measure(judged.truth, judged.challenger, pipeline.task),
        rows=len(judged.rows),
        days=judged.rows[PARTITION].nunique(),
        comparison=comparison,
        incomparable=judged.incomparable,
    )


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


def _write_down(job: Job, challenger: ModelVersion, verdict: Verdict) -> None:
    """Ledger first: it is what `promote` asks."""
    now = datetime.now(UTC)
    ledger = Ledger.open(job.settings)
    ledger.record(job.pipeline.name, f"version {challenger.version}", job.run_id, verdict, now)
    tags = {registry.VERDICT: str(verdict.outcome), registry.VERDICT_SENTENCE: verdict.sentence}
    registry.tag_version(job.settings, challenger, tags, description=verdict.sentence)
    ledger.close_request(job.pipeline.name, job.run_id, now)


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
