"""The page a reviewer reads: challenger and champion side by side. One HTML file without anything to load."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from tidewheel.policies.gate import NAMES
from tidewheel.spec import LOWER_IS_BETTER

if TYPE_CHECKING:
    from tidewheel.policies.gate import GateMeasurement
    from tidewheel.policies.verdict import Verdict

PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733 }}
h1 {{ font-size: 1.4rem }} h2 {{ font-size: 1.05rem; margin-top: 2rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ padding: .35rem .7rem; text-align: right; border-bottom: 1px solid #dfe5eb }}
td {{ font-variant-numeric: tabular-nums }}
th:first-child, td:first-child {{ text-align: left }}
.verdict {{ padding: .8rem 1rem; border-left: 5px solid; background: #f6f8fa }}
.passed {{ border-color: #2e8b57 }} .refused {{ border-color: #c0392b }} .inconclusive {{ border-color: #d9a441 }}
.bar {{ display: inline-block; height: .7em; min-width: 1px }}
.better {{ background: #2e8b57 }} .worse {{ background: #c0392b }}
footer {{ color: #6b7885; margin-top: 2rem; font-size: .85rem }}
</style></head><body>
<h1>{title}</h1>
<p class="verdict {outcome}">{sentence}</p>
<h2>Figures on the same rows</h2>
{figures}
<h2>{metric}, day by day</h2>
{days}
{slices}{groups}<h2>What was asked</h2>
{thresholds}
<footer>{rows:,} rows of {count} days that neither version was trained on. The bound comes from a bootstrap that draws
whole days, because rows of one day are not independent.</footer>
</body></html>
"""
WIDEST_BAR_REM = 8


@dataclass(frozen=True)
class DayLosses:
    """The compared figure of one day."""

    day: str
    rows: int
    challenger: float
    champion: float | None


def comparison_page(
    pipeline: str, metric: str, measured: GateMeasurement, verdict: Verdict, days: Sequence[DayLosses]
) -> str:
    """Write the page.

    Args:
        pipeline: its name.
        metric: the figure the gate compares.
        measured: figures of both versions.
        verdict: what the gate said.
        days: the compared figure for each day, oldest first.

    Returns:
        HTML.
    """
    comparison = measured.comparison
    champion = f"version {comparison.champion_version} (champion)" if comparison else "no champion"
    theirs = comparison.champion if comparison else {}
    head = ["", f"version {measured.challenger_version} (challenger)", champion]
    figures = [[NAMES[n], _number(v), _number(theirs.get(n))] for n, v in measured.challenger.items()]
    thresholds = [[name.replace("_", " "), escape(_words(name, value))] for name, value in verdict.thresholds.items()]
    return PAGE.format(
        title=escape(f"{pipeline}: version {measured.challenger_version} against {champion}"),
        outcome=escape(str(verdict.outcome)),
        sentence=escape(verdict.sentence),
        figures=_table(head, figures),
        metric=escape(NAMES[metric]),
        days=_table(
            ["day", "rows", "challenger", "champion", "challenger is"],
            _day_rows(days, metric not in LOWER_IS_BETTER),
        ),
        slices=_slices(verdict),
        groups=_groups(measured),
        thresholds=_table(["rule", "value"], thresholds),
        rows=measured.rows,
        count=measured.days,
    )


def _day_rows(days: Sequence[DayLosses], higher_is_better: bool) -> Iterable[list[str]]:
    worse = [
        math.nan
        if d.champion is None
        else (d.champion - d.challenger if higher_is_better else d.challenger - d.champion)
        for d in days
    ]
    widest = max((abs(w) for w in worse if not math.isnan(w)), default=0) or 1
    for day, by in zip(days, worse, strict=True):
        bar = ""
        if not math.isnan(by):
            word = "worse" if by > 0 else "better"
            width = WIDEST_BAR_REM * abs(by) / widest
            bar = f'{abs(by):.4f} {word} <span class="bar {word}" style="width:{width:.2f}rem"></span>'
        yield [escape(day.day), f"{day.rows:,}", _number(day.challenger), _number(day.champion), bar]


def _slices(verdict: Verdict) -> str:
    parts = verdict.inputs.get("slices")
    if not isinstance(parts, list) or not parts:
        return ""
    rows = [
        [
            escape(part["name"]),
            f"{part['rows']:,}",
            _number(part.get("challenger")),
            _number(part.get("champion")),
            escape(part["outcome"]),
        ]
        for part in parts
    ]
    return "<h2>Slices</h2>\n" + _table(["slice", "rows", "challenger", "champion", "verdict"], rows) + "\n"


def _groups(measured: GateMeasurement) -> str:
    rows = [
        [escape(f"{gap.figure.replace('_', ' ')} by {gap.column}"), escape(group), _number(value)]
        for gap in measured.gaps
        for group, value in sorted(gap.groups.items(), key=lambda item: item[1])
    ]
    return "<h2>Groups</h2>\n" + _table(["figure", "group", "challenger"], rows) + "\n" if rows else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:.4f}"


def _words(name: str, value: object) -> str:
    if name == "margin":
        return f"{value:.1%} of the champion's figure"
    if isinstance(value, dict):
        return ", ".join(f"{NAMES.get(name, name)} {limit:g}" for name, limit in value.items()) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(NAMES.get(str(value), value))
