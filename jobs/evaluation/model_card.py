"""The model card: what a reviewer should know of a version, in Markdown.

After Mitchell et al., "Model Cards for Model Reporting" (FAT* 2019).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.policies.gate.measurement import NAMES
from tidewheel.quantities import quantity
from tidewheel.unknown import is_unknown

if TYPE_CHECKING:
    from jobs.data.training_data import TrainingData
    from tidewheel.policies.gate.measurement import GateMeasurement
    from tidewheel.policies.verdict import Verdict
    from tidewheel.spec import Pipeline

LONGEST_DESCRIPTION = 5000
"""Characters that MLflow keeps of a version's description."""
SHOWN = 12


@dataclass(frozen=True)
class CardFacts:
    """What a card is written from.

    Attributes:
        pipeline: its declaration.
        chosen: the batches it learned from and was judged on.
        measured: what the gate decided from.
        verdict: what the gate said.
        intervals: confidence interval of the challenger's figures, by name.
        confidence: of these intervals.
        slices: one row a slice: `slice`, `rows`, and figures.
        importances: by column, the largest first.
        parameters: what the training run logged: estimator, device, seed, versions.
        refit: what came of fitting it again through the holdout; empty where no refit was requested.
    """

    pipeline: Pipeline
    chosen: TrainingData
    measured: GateMeasurement
    verdict: Verdict
    intervals: Mapping[str, tuple[float, float]]
    confidence: float
    slices: Sequence[Mapping[str, object]]
    importances: Mapping[str, float]
    parameters: Mapping[str, str]
    refit: str = ""


@dataclass(frozen=True)
class Card:
    """The card of a version.

    Attributes:
        text: the whole of it, with every batch by its hash.
        description: as far as a version's description can hold it.
    """

    text: str
    description: str


def model_card(facts: CardFacts, failures: PartialFailures = RAISING) -> Card:
    """Write the card; a section that cannot be written is named at its end, with all that could not be computed."""
    lines: list[str] = []
    for section in (_head, _data, _figures_section, _slices, _what_matters, _made_section, _limits_section):
        with failures.named(f"section {section.__name__.strip('_').removesuffix('_section')} of the model card"):
            lines += list(section(facts))
    batches: list[str] = []
    with failures.named("section batches of the model card"):
        batches = list(_batches(facts.chosen))
    if failures.sentences:
        lines += ["## Not computed", "", *(f"- {sentence}" for sentence in failures.sentences), ""]
    return Card("\n".join([*lines, *batches]) + "\n", _shortened("\n".join(lines)))


def _shortened(card: str) -> str:
    if len(card) <= LONGEST_DESCRIPTION:
        return card
    start = card[: LONGEST_DESCRIPTION - 60]
    return start[: start.rindex("\n")] + "\n\n(The rest stands in the artifact model_card.md.)"


def _head(facts: CardFacts) -> Iterator[str]:
    pipeline = facts.pipeline
    yield from (facts.verdict.sentence, "")
    yield from (f"# {pipeline.name}, version {facts.measured.challenger_version}", "", pipeline.description, "")
    yield from (f"Owner: {pipeline.owner.team}{f' ({pipeline.owner.email})' if pipeline.owner.email else ''}.", "")


def _data(facts: CardFacts) -> Iterator[str]:
    chosen, unit = facts.chosen, facts.pipeline.block
    yield from ("## Data", "")
    first, last = chosen.training[0].day, chosen.training[-1].day
    learned = quantity(len(chosen.training), unit)
    yield f"- Learned from up to {chosen.training_rows:,} rows of {learned}, {first} to {last}."
    if facts.refit:
        yield f"- {facts.refit[0].upper()}{facts.refit[1:]}."
    if chosen.holdout:
        first, last = chosen.holdout[0].day, chosen.holdout[-1].day
        yield (
            f"- Judged on {facts.measured.rows:,} rows of {quantity(facts.measured.days, unit)} between {first} and "
            f"{last}, which it has not seen."
        )
    elif facts.measured.days:
        yield (
            f"- Checked on the newest {facts.measured.days} of these {unit}s ({facts.measured.rows:,} rows), which "
            "flatters it: the {unit}s after its promotion judge it."
        )
    if chosen.tried:
        yield f"- {chosen.tried[0].upper()}{chosen.tried[1:]}."
    yield f"- As of {chosen.as_of}: labels known by {chosen.matured_until}. Content `{chosen.data_hash}`."
    yield ""


def _figures_section(facts: CardFacts) -> Iterator[str]:
    yield from ("## Figures", "", *_figures(facts), "")


def _slices(facts: CardFacts) -> Iterator[str]:
    if facts.slices:
        yield from ("## Slices", "", *_table(facts.slices[:SHOWN]), "")
        if len(facts.slices) > SHOWN:
            yield from (f"The {SHOWN} with the most rows; all {len(facts.slices)} stand in slices.json.", "")


def _what_matters(facts: CardFacts) -> Iterator[str]:
    if facts.importances:
        top, figure = list(facts.importances.items())[:SHOWN], NAMES[facts.pipeline.metric]
        yield from ("## What matters most", "", f"{figure} gets worse by this when it is shuffled:", "")
        yield from (*_table([{"feature": name, "worse by": value} for name, value in top]), "")


def _made_section(facts: CardFacts) -> Iterator[str]:
    yield from ("## How it was made", "", *_made(facts), "")


def _limits_section(facts: CardFacts) -> Iterator[str]:
    yield from ("## Limits", "", *_limits(facts), "")


def _figures(facts: CardFacts) -> Iterator[str]:
    comparison = facts.measured.comparison
    interval = f"{facts.confidence:.0%} interval"
    rows = []
    for name, value in facts.measured.challenger.items():
        low, high = facts.intervals.get(name, (math.nan, math.nan))
        row: dict[str, object] = {"figure": NAMES[name], "this version": value}
        row[interval] = "-" if math.isnan(low) else f"{low:.4f} to {high:.4f}"
        if comparison:
            row[f"version {comparison.champion_version} (champion)"] = comparison.champion[name]
        rows.append(row)
    yield from _table(rows)


def _made(facts: CardFacts) -> Iterator[str]:
    shown = ("estimator", "seed", "device", "code_version", "lock_hash", "python", "window_days", "search.trials")
    for name in shown:
        if facts.parameters.get(name, "None") != "None":  # as MLflow keeps what is not set
            yield f"- {name.replace('_', ' ').replace('.', ': ')}: `{facts.parameters[name]}`"
    training = facts.pipeline.training
    if training.loss != "squared_error":
        yield f"- loss: `{training.loss}`{f' of {training.quantile:g}' if training.quantile is not None else ''}"
    if training.sample_weight:
        yield f"- rows count as `{training.sample_weight}` says, in the fit and in the figures; plots show rows"
    if training.class_weight:
        yield f"- class weights, in the fit alone: `{training.class_weight}`"
    again = f"tidewheel reproduce {facts.pipeline.name} --version {facts.measured.challenger_version}"
    yield f"- `{again}` trains it again and compares."


def _limits(facts: CardFacts) -> Iterator[str]:
    pipeline, measured = facts.pipeline, facts.measured
    yield (
        f"- What is known of its quality comes from {quantity(measured.days, pipeline.block)}. Other seasons, and "
        "days unlike these, may be predicted worse."
    )
    yield "- Rows without a label count for nothing here; where labels are missing for a reason, that is not seen."
    if measured.comparison is None:
        yield "- It was not compared with another version."
    if measured.holdout_uses:
        yield f"- Some of the days have judged {measured.holdout_uses} challengers before: luck is more likely."
    if pipeline.features.categorical:
        yield "- Categories that training has not seen are answered as unknown ones."
    if not pipeline.gate.fairness:
        yield "- No limit between groups was declared, and none was checked."
    if facts.importances and (useless := [n for n, value in facts.importances.items() if value <= 0]):
        names = ", ".join(useless[:SHOWN])
        yield f"- {len(useless)} of {len(facts.importances)} features do not matter measurably: {names}."


def _batches(chosen: TrainingData) -> Iterator[str]:
    yield from ("## Batches", "")
    days = [(day, "learned from") for day in chosen.training] + [(day, "judged on") for day in chosen.holdout]
    yield from _table(
        [
            {"day": str(d.day), "use": use, "features": d.features.content_hash, "labels": d.labels.content_hash}
            for d, use in days
        ]
    )


def _table(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    head = list(rows[0])
    yield f"| {' | '.join(head)} |"
    yield f"|{'|'.join(['---', *['---:'] * (len(head) - 1)])}|"
    for row in rows:
        yield f"| {' | '.join(_cell(row.get(name)) for name in head)} |"


def _cell(value: object) -> str:
    if is_unknown(value):
        return "-"
    return f"{value:.4f}" if isinstance(value, float) else (f"{value:,}" if isinstance(value, int) else str(value))
