"""The page of a replay: table, charts and every training with its reason, in one HTML file with nothing to load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape

from jobs.models.prediction import Array
from jobs.replay.charts import Dot, Line, Mark, cost_chart, time_chart
from jobs.replay.play import Play
from jobs.replay.policies import EQUAL, FROZEN
from jobs.replay.series import TRAILING_DAYS
from jobs.replay.summary import CONFIDENCE, WEEKLY, Interval, PolicySummary
from tidewheel.partitions import PartitionRange
from tidewheel.policies.gate import NAMES
from tidewheel.spec import LOWER_IS_BETTER, Pipeline

COLOURS = 8
STYLE = """
:root { color-scheme: light dark; --ink: #1c2733; --soft: #5d6b79; --rule: #dfe5eb; --paper: #fff; --well: #f6f8fa;
  --c0: #0b67c2; --c1: #6b7885; --c2: #c2570b; --c3: #2e8b57; --c4: #8e44ad; --c5: #b8860b; --c6: #c0392b;
  --c7: #148f8f }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e9ef; --soft: #96a3b0; --rule: #303b46; --paper: #11181f;
  --well: #1a232c; --c0: #5aa9f5; --c1: #9aa7b4; --c2: #f29a55; --c3: #5cc489; --c4: #c38fe0; --c5: #e0b84a;
  --c6: #f0766a; --c7: #4fc7c7 } }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 2rem auto; padding: 0 1rem; color: var(--ink);
  background: var(--paper) }
h1 { font-size: 1.4rem; margin-bottom: .2rem } h2 { font-size: 1.05rem; margin: 2.2rem 0 .4rem }
p.lead { background: var(--well); border-left: 5px solid var(--c0); padding: .8rem 1rem }
table { border-collapse: collapse; width: 100% } .wide { overflow-x: auto }
th, td { padding: .35rem .6rem; text-align: right; border-bottom: 1px solid var(--rule); vertical-align: top }
td { font-variant-numeric: tabular-nums } th:first-child, td:first-child { text-align: left; white-space: nowrap }
th { font-weight: 600; font-size: .85rem } td small, .soft { color: var(--soft) }
.words td { text-align: left; font-size: .88rem } .words td:first-child { white-space: nowrap }
.key { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em }
svg { width: 100%; height: auto; display: block } svg text { font: 12px system-ui, sans-serif }
.tick { fill: var(--soft) } .name { fill: var(--ink) } .grid, .lane { stroke: var(--rule) }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round } .bar { stroke-width: 2 }
.cross { fill: none; stroke-width: 2 }
details { margin: .6rem 0 } summary { cursor: pointer }
footer { color: var(--soft); margin-top: 2.5rem; font-size: .85rem }
"""
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>{style}</style></head><body>
<h1>{title}</h1>
<p class="soft">{subtitle}</p>
<p class="lead">{lead}</p>
<div class="wide">{table}</div>
<p class="soft">{table_note}</p>
<h2>{metric} over time, trailing {window} days</h2>
{quality}
<p class="soft">Below: when each policy trained. A dot is a promotion, a cross a challenger that was refused; point at
one to read why.</p>
{gain}
<h2>What quality costs</h2>
{cost}
<h2>Every training, and why</h2>
{trainings}
<h2>How it was played</h2>
{rules}
<footer>{footer}</footer>
</body></html>
"""


def replay_page(
    pipeline: Pipeline,
    played: PartitionRange,
    rows: int,
    summaries: Sequence[PolicySummary],
    series: Mapping[str, Array],
    plays: Sequence[Play],
    code_version: str,
) -> str:
    """Write the page.

    Args:
        pipeline: whose history was played.
        played: first and last day.
        rows: labelled rows that were predicted.
        summaries: one a policy, in the order of the table.
        series: the metric over time, by policy.
        plays: of these policies, all seeds.
        code_version: of the code that played.

    Returns:
        HTML.
    """
    colours = {one.policy: number % COLOURS for number, one in enumerate(summaries)}
    metric = NAMES[pipeline.metric]
    shown = [next(play for play in plays if play.policy == one.policy) for one in summaries]
    lines = [Line(p.policy, colours[p.policy], series[p.policy], _marks(p)) for p in shown]
    costs, cost_title = _cost(metric, summaries)
    dots = [
        Dot(one.policy, colours[one.policy], one.fits, cost.value, cost.low, cost.high)
        for one, cost in zip(summaries, costs, strict=True)
    ]
    return PAGE.format(
        style=_colour_rules() + STYLE,
        title=escape(f"{pipeline.name}: {played.first} to {played.last}, replayed"),
        subtitle=escape(pipeline.description),
        lead=escape(lead(pipeline, summaries)),
        table=_summary_table(pipeline, summaries, colours),
        table_note=_table_note(pipeline, summaries),
        metric=escape(metric),
        window=TRAILING_DAYS,
        quality=time_chart(played.days, lines, f"{metric} over time, by policy"),
        gain=_gain_chart(pipeline, played, shown, series, colours),
        cost=cost_chart(dots, "models fitted (logarithmic)", cost_title, f"{cost_title} against models fitted"),
        trainings="".join(_trainings(play) for play in shown),
        rules=_rules(pipeline, played),
        footer=escape(
            f"{rows:,} labelled rows of {len(played.days)} days. Intervals: {CONFIDENCE:.0%}, from a bootstrap that "
            f"draws whole days, the same ones for every policy. tidewheel {code_version}"
        ),
    )


def _cost(metric: str, summaries: Sequence[PolicySummary]) -> tuple[list[Interval], str]:
    """What is drawn against cost: the gain over the frozen model, whose interval is narrower, where that was played."""
    gains = [one.better_than_frozen for one in summaries if one.better_than_frozen is not None]
    if len(gains) == len(summaries):
        return gains, f"{metric}, better than frozen"
    return [one.quality for one in summaries], metric


def lead(pipeline: Pipeline, summaries: Sequence[PolicySummary]) -> str:
    """The result in a sentence or two."""
    first, metric = summaries[0], NAMES[pipeline.metric]
    said = (
        f"Policy {first.policy}: {metric} {first.quality.value:.4f} ({first.quality.low:.4f} to "
        f"{first.quality.high:.4f}) with {first.fits:.3g} models fitted."
    )
    by_name = {one.policy: one for one in summaries}
    if first.gain_kept is not None and first.policy not in (FROZEN, WEEKLY):
        said += (
            f" It keeps {_share(first.gain_kept)} of what weekly training gains over a frozen model, with "
            f"{first.fits / by_name[WEEKLY].fits:.0%} of its fits."
        )
    if first.better_than_equal is not None and first.policy != EQUAL:
        against = first.better_than_equal
        said += (
            f" Against a calendar of as many fits it is {'better' if against.value >= 0 else 'worse'} by "
            f"{abs(against.value):.4f} ({against.low:+.4f} to {against.high:+.4f})."
        )
    others = [one for one in summaries[1:] if not (first.gain_kept and one.policy == first.policy)]
    if others:
        listed = ", ".join(f"{one.policy} {one.quality.value:.4f} ({one.fits:.3g} fits)" for one in others)
        said += f" Others: {listed}."
    return said


def _summary_table(pipeline: Pipeline, summaries: Sequence[PolicySummary], colours: Mapping[str, int]) -> str:
    head = ["policy", f"{NAMES[pipeline.metric]} (95%)"]
    others = [name for name in summaries[0].figures if name != pipeline.metric]
    head += [NAMES[name] for name in others]
    head += ["better than frozen", "better than equal", "gain kept", "fits", "CPU s", "promoted", "refused", "alarms"]
    body = [
        [
            f'<span class="key" style="background:var(--c{colours[one.policy]})"></span>{escape(one.policy)}',
            f"{one.quality.value:.4f}<br><small>{one.quality.low:.4f} to {one.quality.high:.4f}</small>",
            *(f"{one.figures[name]:.4f}" for name in others),
            _signed(one.better_than_frozen),
            _signed(one.better_than_equal),
            "-" if one.gain_kept is None else _share(one.gain_kept, "<br>"),
            f"{one.fits:.3g}",
            f"{one.cpu_seconds:,.0f}",
            f"{one.promotions:.3g}",
            f"{one.rejections:.3g}",
            f"{one.alarms:.3g}",
        ]
        for one in summaries
    ]
    return _table(head, body)


def _table_note(pipeline: Pipeline, summaries: Sequence[PolicySummary]) -> str:
    seeds, spread = summaries[0].seeds, max(one.seed_spread for one in summaries)
    means = f"Means over {seeds} seeds of the models, which differ by at most {spread:.4f}. " if seeds > 1 else ""
    better = "lower" if pipeline.metric in LOWER_IS_BETTER else "higher"
    return escape(
        f"{NAMES[pipeline.metric]}: {better} is better. {means}Fits count every model fitted: the first, those that "
        "the gate refused, and those fitted again after it. Better than frozen, and the share of weekly's gain that is "
        "kept, are compared on the same days, and so are policies with equal; so these intervals may be narrow where "
        "those of the figures are wide."
    )


def _gain_chart(
    pipeline: Pipeline,
    played: PartitionRange,
    plays: Sequence[Play],
    series: Mapping[str, Array],
    colours: Mapping[str, int],
) -> str:
    if FROZEN not in series or len(series) == 1:
        return ""
    sign = 1 if pipeline.metric in LOWER_IS_BETTER else -1
    lines = [
        Line(p.policy, colours[p.policy], sign * (series[FROZEN] - series[p.policy]))
        for p in plays
        if p.policy != FROZEN
    ]
    title = f"{NAMES[pipeline.metric]} better than the frozen model's, trailing {TRAILING_DAYS} days"
    return f"<h2>{escape(title)}</h2>{time_chart(played.days, lines, title, 240)}"


def _marks(play: Play) -> list[Mark]:
    return [
        Mark(
            training.as_of,
            "promoted" if training.version else "rejected",
            f"{training.as_of}: {training.why}. {training.says}",
        )
        for training in play.trainings[1:]
    ]


def _trainings(play: Play) -> str:
    rows = [
        [
            str(training.as_of),
            escape(training.why),
            escape(training.says),
            f"{training.rows:,}",
            str(training.fits),
        ]
        for training in play.trainings
    ]
    table = _table(["as of", "why", "what came of it", "rows", "fits"], rows, "words")
    promoted = sum(training.version is not None for training in play.trainings)
    title = f"{play.policy}: {len(play.trainings)} trainings, {promoted} promoted (seed {play.seed})"
    return f"<details><summary>{escape(title)}</summary><div class=wide>{table}</div></details>"


def _rules(pipeline: Pipeline, played: PartitionRange) -> str:
    delay, held = pipeline.labels.delay_days, pipeline.training.holdout_days
    left_out = ["Parameters are those declared: training.search is not played."] if pipeline.training.search else []
    left_out += ["Feature drift trains nothing here: triggers.drift is not played."] if pipeline.triggers.drift else []
    if pipeline.monitoring.streams.detectors:
        left_out.append("Detectors over streams raise no alarm here: monitoring.streams is not played.")
    rules = [
        f"Every policy begins with a model trained on what was known on the evening before {played.first}.",
        "A day is predicted by the version that is champion then. In the evening the policy decides; what it trains "
        "and promotes predicts from the next day on.",
        f"A label of day D is known from D + {delay} on: in training, in the gate and in what the triggers see.",
        f"spec trains, judges and promotes as the pipeline does: the newest {held} matured days are the gate's. "
        "The other policies train on every matured day and promote unseen.",
        "equal trains as often as spec fits a model, evenly spread: the same cost, without looking.",
        "Approvals by people are taken for given at once, and a training takes no time.",
        *left_out,
        "Labels and features are those the lake holds today; what was corrected since is played as corrected.",
    ]
    return f"<ul>{''.join(f'<li>{escape(rule)}</li>' for rule in rules)}</ul>"


def _colour_rules() -> str:
    return "".join(f".c{n} {{ stroke: var(--c{n}) }} .dot.c{n} {{ fill: var(--c{n}) }}\n" for n in range(COLOURS))


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], style: str = "") -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f'<table class="{style}"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def _signed(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{interval.value:+.4f}<br><small>{interval.low:+.4f} to {interval.high:+.4f}</small>"


def _share(interval: Interval, between: str = " ") -> str:
    words = f"{interval.low:.0%} to {interval.high:.0%}"
    return f"{interval.value:.0%}{between}{f'<small>{words}</small>' if between == '<br>' else f'({words})'}"
