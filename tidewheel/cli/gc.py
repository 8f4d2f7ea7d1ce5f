"""`tidewheel gc`: removes what can be made again and has long not been used, and nightly data that has come of age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from tidewheel.cli.aged import AgedData
from tidewheel.cli.removals import note_removal
from tidewheel.errors import LedgerError, PlatformError, SettingsError
from tidewheel.home_cleanup import (
    bento_pipelines,
    remove,
    unused_bentos,
    unused_models,
    unused_replays,
    unused_scratch,
)
from tidewheel.quantities import quantity
from tidewheel.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.home_cleanup import Unused


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command(rich_help_panel="Platform")(gc)


def gc(
    *,
    keep_days: Annotated[
        float, typer.Option(min=1, help="of what can be made again, leave alone what was used so recently")
    ] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="name what would go and remove nothing")] = False,
) -> None:
    """Remove what has long not been used and can be made again, and delete nightly data that has come of age.

    The first: downloaded models, Bentos, results of replays, scratch files of killed Spark jobs. What is served,
    released or may be rolled back to stays. The second, as `retention` in a pipeline file and the settings say: logged
    requests, predictions, reports of monitoring, figures of traffic, ended alerts. What models are made from,
    decisions, the registry and the audit log stay. For files that no manifest names there is `tidewheel lake gc`.
    """
    settings, now = load_settings(), datetime.now(UTC)
    before, unused = now - timedelta(days=keep_days), f"unused for {quantity(keep_days, 'day')}"
    sweep = _Sweep(settings, dry_run)
    sweep.take(f"downloaded models, {unused}", unused_models(settings, before))
    sweep.take(f"results of replays, {unused}", unused_replays(settings, before))
    sweep.take("scratch of killed Spark jobs", unused_scratch(settings, now))
    for pipeline in bento_pipelines(settings):
        _take_bentos(sweep, settings, pipeline, before)
    sweep.tell()
    AgedData(settings, sweep.console, dry_run=dry_run).delete(now)


class _Sweep:
    """Removes things, or names them, and tells how much that was."""

    def __init__(self, settings: Settings, dry_run: bool) -> None:
        self._settings, self._home, self._dry_run, self._total = settings, settings.home, dry_run, 0
        self._done = "would remove" if dry_run else "removed"
        self.console = Console(highlight=False, soft_wrap=True)

    def take(self, what: str, unused: Sequence[Unused], pipeline: str = "") -> None:
        paths = [str(each.path.relative_to(self._home)) for each in unused]
        if self._dry_run:
            for path, each in zip(paths, unused, strict=True):
                self.console.print(f"{path}  {decimal(each.bytes)}  {each.used:%Y-%m-%d}", markup=False)
        elif unnoted := note_removal(self._settings, pipeline, what, paths):
            self.console.print(f"{what}: {unnoted}", markup=False)
        gone = unused if self._dry_run else remove(unused)
        size = sum(each.bytes for each in gone)
        self._total += size
        self.console.print(f"{what}: {self._done} {len(gone)} ({decimal(size)})", markup=False)

    def tell(self) -> None:
        self.console.print(
            f"{self._home}: {self._done} {decimal(self._total)}; what is needed again is made again", markup=False
        )


def _take_bentos(sweep: _Sweep, settings: Settings, pipeline: str, before: datetime) -> None:
    """Remove a pipeline's Bentos while nobody releases it; where nobody knows which are needed, all of them stay."""
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.releases import Releases
    from tidewheel.release.backend import open_backend
    from tidewheel.release.record import ReleaseRecord
    from tidewheel.release.stages import Colour

    what = f"Bentos of {pipeline}"
    try:
        record = ReleaseRecord(Releases(Ledger.open(settings, patience_seconds=0)), pipeline)
        with record.exclusively(0):
            backend = open_backend(settings, pipeline)
            started = {version for colour in Colour if (version := backend.version(colour)) is not None}
            needed = started | record.versions_in_use()
            sweep.take(what, unused_bentos(settings, pipeline, before, needed), pipeline)
    except (LedgerError, PlatformError, SettingsError) as error:
        sweep.console.print(f"{what}: left alone: {error}", markup=False)
