"""The part of `tidewheel gc` that deletes data by its age, as `retention` in pipeline files and the settings say."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from rich.filesize import decimal

from tidewheel.cli.removals import note_removal
from tidewheel.errors import LakeError, LedgerError, SettingsError, SpecError
from tidewheel.partitions import day_key
from tidewheel.quantities import listing, quantity
from tidewheel.spec import load_pipeline
from tidewheel.spec.load import declared_pipelines

if TYPE_CHECKING:
    from rich.console import Console

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

NAMED = 5
"""Days in a line."""


class AgedData:
    """Deletes what has come of age, or only names it. Nothing is deleted that is not in the audit log.

    Args:
        settings: of the installation.
        console: where each step is printed.
        dry_run: only name it.
    """

    def __init__(self, settings: Settings, console: Console, *, dry_run: bool) -> None:
        self._settings, self._console, self._dry_run = settings, console, dry_run
        self._done = "would delete" if dry_run else "deleted"

    def delete(self, now: datetime) -> None:
        """Delete it; a pipeline whose file is wrong, and all while the ledger is away, is left alone."""
        for name, pipeline in declared_pipelines(self._settings.pipelines_folder).items():
            try:
                # A file that does not load says nothing about what is still needed.
                self._of(pipeline or load_pipeline(self._settings.pipelines_folder / f"{name}.yaml"))
            except (LedgerError, SettingsError, LakeError, SpecError) as error:
                self._say(f"data of {name}: left alone: {error}")
        try:
            self._of_all(now)
        except (LedgerError, SettingsError) as error:
            self._say(f"traffic and alerts: left alone: {error}")

    def _of(self, pipeline: Pipeline) -> None:
        from tidewheel.home_cleanup import remove
        from tidewheel.lake import Lake
        from tidewheel.lake.expiry import remove_days
        from tidewheel.ledger import Ledger
        from tidewheel.ledger.probations import Probations
        from tidewheel.retirement.expired import expired, expired_log_files, newest_day

        judged = Probations(Ledger.open(self._settings, patience_seconds=0)).open(pipeline.name)
        lake = Lake.open(pipeline.name, self._settings)
        for kind in expired(pipeline, lake, judged.as_of if judged else None):
            what = f"{pipeline.name}: {kind.what}"
            days = sorted({day_key(found.day) for found in kind.days})  # with their hours
            if self._may_delete(pipeline.name, kind.what, days):
                remove_days(lake, kind.days)
            if days:
                size = decimal(sum(day.bytes for day in kind.days))
                self._say(
                    f"{what}: {self._done} {quantity(len(days), pipeline.block)} ({size}): {listing(days, NAMED)}"
                )
            if kind.awaited:
                awaited = quantity(len(kind.awaited), pipeline.block)
                self._say(f"{what}: {awaited} left alone, labels are not known: {listing(kind.awaited, NAMED)}")
        if (newest := newest_day(lake)) is not None and (files := expired_log_files(self._settings, pipeline, newest)):
            what, days = "request log on this machine", [found.path.name for found in files]
            if self._may_delete(pipeline.name, what, days):
                remove(files)
            self._say(f"{pipeline.name}: {what}: {self._done} {quantity(len(days), 'day')}: {listing(days, NAMED)}")

    def _of_all(self, now: datetime) -> None:
        from tidewheel.ledger import Ledger
        from tidewheel.ledger.alerts import AlertLog
        from tidewheel.ledger.traffic import TrafficLog

        ledger = Ledger.open(self._settings, patience_seconds=0)
        traffic, alerts = TrafficLog(ledger), AlertLog(ledger)
        days = self._settings.traffic_retention_days
        before = now - timedelta(days=days)
        what = f"figures of traffic older than {quantity(days, 'day')}"
        count = traffic.forget(before, dry_run=True)
        if self._may_delete("", what, [f"before {before:%Y-%m-%d}"] if count else []):
            traffic.forget(before, dry_run=False)
        self._say(f"{what}: {self._done} {quantity(count, 'row')}")
        days = self._settings.alerts_retention_days
        before = now - timedelta(days=days)
        what = f"incidents that ended more than {quantity(days, 'day')} ago"
        count = alerts.ended(before)
        if self._may_delete("", what, [f"before {before:%Y-%m-%d}"] if count else []):
            alerts.forget(before)
        self._say(f"{what}: {self._done} {quantity(count, 'row')}")

    def _may_delete(self, pipeline: str, what: str, names: list[str]) -> bool:
        """Note in the audit log what is about to be deleted.

        Raises:
            LedgerError: there is no entry, so nothing may be deleted.
        """
        if self._dry_run or not names:
            return False
        if unnoted := note_removal(self._settings, pipeline, what, names):
            raise LedgerError(unnoted)
        return True

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False)
