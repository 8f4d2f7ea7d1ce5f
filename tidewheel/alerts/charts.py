"""The chart of a message: the figure that an incident is about, over the newest days, with its threshold."""

from __future__ import annotations

import logging
import math
import os
import subprocess
import sys
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING

from sqlalchemy import select

from tidewheel.alerts.conditions import THRESHOLD
from tidewheel.alerts.drawing import Chart
from tidewheel.alerts.facts import figure_series
from tidewheel.errors import LedgerError
from tidewheel.ledger.alert_tables import IncidentRow
from tidewheel.spec.alerts import Event, Threshold
from tidewheel.spec.groups import group_name
from tidewheel.spec.load import declared_pipelines

if TYPE_CHECKING:
    from tidewheel.ledger import Ledger
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.alerts")

DAYS, FEWEST_DAYS = 60, 2
DRAW_SECONDS = 30.0
"""The first drawing of an installation looks for the machine's fonts, which takes matplotlib some seconds."""
LARGEST = 500_000
REMEMBERED = 16


class Charts:
    """Draws charts, one at a time, each in a process of its own and for a bounded time.

    Args:
        ledger: holds the figures.
        settings: name the pipelines' folder, and a folder for the font cache.
    """

    def __init__(self, ledger: Ledger, settings: Settings) -> None:
        self._ledger, self._settings = ledger, settings
        self._drawing = threading.Lock()
        self._drawn: OrderedDict[Chart, bytes] = OrderedDict()

    def of(self, incident: int) -> bytes | None:
        """The chart of an incident as PNG.

        Args:
            incident: its number in the ledger.

        Returns:
            None where it is about no figure, or where the chart cannot be drawn: a message does without it.
        """
        try:
            chart = self._chart(incident)
            return self._png(chart) if chart is not None else None
        except LedgerError as error:
            log.warning("the message has no chart: %s", error)
        except Exception:  # whatever a drawing stumbles over, the message goes out
            log.exception("the message has no chart")
        return None

    def _chart(self, number: int) -> Chart | None:
        with self._ledger.session() as session:
            incident = session.scalars(select(IncidentRow).where(IncidentRow.id == number)).one_or_none()
            pipeline = declared_pipelines(self._settings.pipelines_folder).get(incident.pipeline) if incident else None
            if incident is None or pipeline is None or (about := _about(incident, pipeline)) is None:
                return None
            figure, part, limit = about
            newest_first = figure_series(session, pipeline.name, figure, part, DAYS)
        series = [(day, value) for day, value in reversed(newest_first) if math.isfinite(value)]
        if len(series) < FEWEST_DAYS:
            return None
        of = f" of {part}" if part else ""
        title = f"{pipeline.name}: {figure}{of}, {series[0][0]} to {series[-1][0]}"
        return Chart(title, figure, tuple(day for day, _ in series), tuple(value for _, value in series), limit)

    def _png(self, chart: Chart) -> bytes | None:
        if not self._drawing.acquire(timeout=DRAW_SECONDS):
            log.warning("the message has no chart: another drawing takes too long")
            return None
        try:
            if (drawn := self._drawn.get(chart)) is None:
                drawn = self._run(chart)
                self._drawn[chart] = drawn
                if len(self._drawn) > REMEMBERED:
                    self._drawn.popitem(last=False)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", None) or b""
            last = said.decode(errors="replace").strip().rpartition("\n")[2]
            log.warning("the message has no chart: %s %s", error, last)
            return None
        else:
            return drawn
        finally:
            self._drawing.release()

    def _run(self, chart: Chart) -> bytes:
        cache = self._settings.home.absolute() / "cache" / "matplotlib"
        done = subprocess.run(
            [sys.executable, "-m", "tidewheel.alerts.drawing"],
            input=chart.to_json().encode(),
            capture_output=True,
            check=True,
            timeout=DRAW_SECONDS,
            env={**os.environ, "MPLCONFIGDIR": str(cache)},
        )
        if not 0 < len(done.stdout) <= LARGEST:
            raise subprocess.SubprocessError(f"the drawing has {len(done.stdout)} bytes; at most {LARGEST} are sent")
        return done.stdout


def _about(incident: IncidentRow, pipeline: Pipeline) -> tuple[str, str, float | None] | None:
    """Figure, slice and threshold of an incident; None where it is about no figure."""
    if incident.event == THRESHOLD:
        for rule in pipeline.alerts.rules:
            if incident.subject == f"{rule.when}{f' of {rule.slice}' if rule.slice else ''}":
                threshold = Threshold.parse(rule.when)
                return threshold.figure, rule.slice, threshold.limit
    if incident.event == Event.FAIRNESS:
        for limit in pipeline.gate.fairness:
            if incident.subject == f"{limit.figure} of {group_name(limit.column)}":
                return f"gap_{limit.figure}", group_name(limit.column), limit.maximum_gap
    if incident.event == Event.PERFORMANCE:
        return pipeline.metric, "", None
    if incident.event == Event.DRIFT:
        return "drifted_columns", "", None
    return None
