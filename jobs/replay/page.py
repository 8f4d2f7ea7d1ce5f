"""The page of a replay: table, charts and every training with its reason, in one HTML file with nothing to load."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from jobs.models.prediction import Array
from jobs.pages.rendering import render_page
from jobs.replay.charts import Dot, Line, Mark, cost_chart, time_chart
from jobs.replay.policies import EQUAL, FROZEN
from jobs.replay.series import TRAILING_DAYS
from jobs.replay.simulation import Simulation
from jobs.replay.summary import CONFIDENCE, WEEKLY, Interval, PolicySummary
from tidewheel.partitions import PartitionRange
from tidewheel.policies.gate.measurement import NAMES
from tidewheel.spec import LOWER_IS_BETTER, Pipeline

COLOURS = 8
ZOOMED = 120
"""Days that a chart shows well; of more, quarters of a year can be looked at."""
UNDECIDED = 0.5
"""Share of a policy's comparisons without a result above which the page says that days have too few rows."""
TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Replayed:
    """What was played.

    Attributes:
        pipeline: whose history it is.
        played: first and last day.
        rows: labelled rows that were predicted.
        plays: of all policies and seeds.
        seeds: that were requested; a policy whose models do not depend on the seed was played with one.
        code_version: of the code that played.
    """

    pipeline: Pipeline
    played: PartitionRange
    rows: int
    plays: Sequence[Simulation]
    seeds: int
    code_version: str


def replay_page(replayed: Replayed, summaries: Sequence[PolicySummary], series: Mapping[str, Array]) -> str:
    """Write the page.

    Args:
        replayed: what was played.
        summaries: one a policy, in the order of the table.
        series: the metric over time, by policy.

    Returns:
        HTML.
    """
    pipeline, played = replayed.pipeline, replayed.played
    colours = {one.policy: number % COLOURS for number, one in enumerate(summaries)}
    metric = NAMES[pipeline.metric]
    shown = [next(play for play in replayed.plays if play.policy == one.policy) for one in summaries]
    lines = [Line(p.policy, colours[p.policy], series[p.policy], _marks(p)) for p in shown]
    gain_title = f"{metric} better than the frozen model's, trailing {TRAILING_DAYS} {pipeline.block}s"
    costs, cost_title = _cost(metric, summaries)
    dots = [
        Dot(one.policy, colours[one.policy], one.fits, cost.value, cost.low, cost.high)
        for one, cost in zip(summaries, costs, strict=True)
    ]
    spans = zoom_spans(played)
    gains = _gains(pipeline, shown, series, colours)
    return render_page(
        TEMPLATES,
        "replay.html",
        pipeline=pipeline,
        played=played,
        rows=replayed.rows,
        lead=lead(pipeline, summaries),
        metric=metric,
        lower_is_better=pipeline.metric in LOWER_IS_BETTER,
        names=NAMES,
        summaries=summaries,
        others=[name for name in summaries[0].figures if name != pipeline.metric],
        colours=colours,
        palette=COLOURS,
        window=TRAILING_DAYS,
        spans=[name for name, _ in spans],
        quality=_zoomed(played, spans, lines, f"{metric} over time, by policy", 300),
        gain_title=gain_title,
        gain=_zoomed(played, spans, gains, gain_title, 240) if gains else [],
        cost=cost_chart(dots, "models fitted (logarithmic)", cost_title, f"{cost_title} against models fitted"),
        plays=shown,
        rules=_rules(pipeline, played),
        notes=_notes(replayed, summaries),
        confidence=CONFIDENCE,
        code_version=replayed.code_version,
    )


def zoom_spans(played: PartitionRange) -> list[tuple[str, slice]]:
    """Parts of the played days that the charts can be limited to: all of them first, then quarters of a year."""
    days = played.days
    spans = [("all days", slice(0, len(days)))]
    if len(days) <= ZOOMED:
        return spans
    quarters = [(day.year, (day.month + 2) // 3) for day in days]
    for year, quarter in dict.fromkeys(quarters):
        first = quarters.index((year, quarter))
        spans.append((f"{year} Q{quarter}", slice(first, first + quarters.count((year, quarter)))))
    return spans


def _zoomed(
    played: PartitionRange, spans: Sequence[tuple[str, slice]], lines: Sequence[Line], title: str, height: int
) -> list[str]:
    """A chart over time for each span, each with a scale of its own."""
    charts = []
    for _, span in spans:
        days = played.days[span]
        within = [
            replace(
                line, values=line.values[span], marks=[mark for mark in line.marks if days[0] <= mark.day <= days[-1]]
            )
            for line in lines
        ]
        charts.append(time_chart(days, within, title, height))
    return charts


def _notes(replayed: Replayed, summaries: Sequence[PolicySummary]) -> list[str]:
    """What a reader should know of these figures."""
    notes, a_day = [], replayed.rows / len(replayed.played.days)
    if once := [one.policy for one in summaries if one.seeds < replayed.seeds]:
        notes.append(
            f"The models of {', '.join(once)} do not depend on the seed: played once instead of {replayed.seeds} times."
        )
    for one in summaries:
        judged = one.promotions + one.rejections
        if one.undecided > UNDECIDED * judged:
            notes.append(
                f"{one.policy}: {one.undecided:.3g} of {judged:.3g} comparisons could not tell which model is better. "
                f"Days of about {a_day:,.0f} labelled rows are too few for the gate; more "
                "days (training.holdout_days) or a metric that varies less from day to day would tell more."
            )
    return notes


def _cost(metric: str, summaries: Sequence[PolicySummary]) -> tuple[list[Interval], str]:
    """What is drawn against cost: the gain over the frozen model, whose interval is narrower, where that was played."""
    nothing = Interval(0.0, 0.0, 0.0)
    gains = [nothing if one.policy == FROZEN else one.better_than_frozen for one in summaries]
    known = [gain for gain in gains if gain is not None]
    if len(known) == len(summaries) > 1:
        return known, f"{metric}, better than frozen"
    return [one.quality for one in summaries], metric


def lead(pipeline: Pipeline, summaries: Sequence[PolicySummary]) -> str:
    """The result in a sentence or two."""
    first, metric = summaries[0], NAMES[pipeline.metric]
    said = (
        f"Policy {first.policy}: {metric} {first.quality.value:.4f} ({first.quality.low:.4f} to "
        f"{first.quality.high:.4f}) with {first.fits:.3g} models fitted."
    )
    by_name = {one.policy: one for one in summaries}
    weekly = by_name[WEEKLY].better_than_frozen if WEEKLY in by_name else None
    if weekly is not None and weekly.low <= 0:
        said += (
            f" Training every week gains {_range(weekly)} over a frozen model: nothing shows that retraining pays on "
            "these days."
        )
    elif first.gain_kept is not None and first.policy not in (FROZEN, WEEKLY):
        said += (
            f" It keeps {_share(first.gain_kept)} of what weekly training gains over a frozen model, with "
            f"{first.fits / by_name[WEEKLY].fits:.0%} of its fits."
        )
    if first.better_than_equal is not None and first.policy != EQUAL:
        against = first.better_than_equal
        shown = "better" if against.low > 0 else "worse" if against.high < 0 else "nothing shows that one is better"
        said += f" Against a calendar of as many fits: {_range(against)}, {shown}."
    others = [one for one in summaries[1:] if not (first.gain_kept and one.policy == first.policy)]
    if others:
        listed = ", ".join(f"{one.policy} {one.quality.value:.4f} ({one.fits:.3g} fits)" for one in others)
        said += f" Others: {listed}."
    return said


def _range(interval: Interval) -> str:
    return f"{interval.value:+.4f} ({interval.low:+.4f} to {interval.high:+.4f})"


def _gains(
    pipeline: Pipeline, plays: Sequence[Simulation], series: Mapping[str, Array], colours: Mapping[str, int]
) -> list[Line]:
    """Each policy against the frozen one; none where there is nothing to compare."""
    if FROZEN not in series:
        return []
    sign = 1 if pipeline.metric in LOWER_IS_BETTER else -1
    return [
        Line(p.policy, colours[p.policy], sign * (series[FROZEN] - series[p.policy]))
        for p in plays
        if p.policy != FROZEN
    ]


def _marks(play: Simulation) -> list[Mark]:
    return [
        Mark(
            training.as_of,
            "promoted" if training.version else "rejected",
            f"{training.as_of}: {training.why}. {training.says}",
        )
        for training in play.trainings[1:]
    ] + [Mark(decision.day, "rejected", decision.probation) for decision in play.decisions if decision.returned]


def _rules(pipeline: Pipeline, played: PartitionRange) -> list[str]:
    delay, unit = pipeline.labels.delay_days, pipeline.block
    held, kept = pipeline.held_days(alarmed=False), pipeline.held_days(alarmed=True)
    after_alarms = f" ({kept} where an alarm called)" if kept != held else ""
    judged = f"the newest {held} matured {unit}s are the gate's{after_alarms}"
    if pipeline.on_probation:
        judged = f"on every matured {unit}, promoted first and judged by its predecessor on the {unit}s that follow"
    left_out = []
    if pipeline.training.search:
        left_out.append(
            "spec searches for parameters as the pipeline does, on one thread: with training.search.minutes, a night "
            "tries more."
        )
    if pipeline.triggers.drift:
        left_out.append("Drift is measured of the rows that have labels.")
    if pipeline.monitoring.streams.detectors:
        left_out.append("Detectors over streams raise no alarm here: monitoring.streams is not played.")
    return [
        f"Every policy begins with the same model, trained on all that was known on the evening before {played.first}; "
        "with gate.mode: before, the gate judges a twin of it.",
        f"A {unit} is predicted by the version that is champion then. At its end the policy decides; what it trains "
        f"and promotes predicts from the next {unit} on.",
        f"A label of {unit} D is known from D + {delay} on: in training, in the gate and in what the triggers see.",
        f"spec trains, judges and promotes as the pipeline does: {judged}. "
        f"The other policies train on every matured {unit} and promote unseen.",
        "equal trains as often as spec fits a model, evenly spread: the same cost, without looking.",
        "Approvals by people are taken for given at once, and a training takes no time.",
        *left_out,
        "Labels and features are those the lake holds today; what was corrected since is played as corrected.",
    ]


def _share(interval: Interval) -> str:
    return f"{interval.value:.0%} ({interval.low:.0%} to {interval.high:.0%})"
