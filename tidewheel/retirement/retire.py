"""Gives a pipeline up. Each step may be done twice: a retirement that was killed is run again and goes on."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tidewheel.actor import operating_system_user
from tidewheel.airflow_api import AirflowApi
from tidewheel.errors import PlatformError, SettingsError, UsageError
from tidewheel.lake import Lake
from tidewheel.ledger.audit import Act, note
from tidewheel.ledger.chain import Entry
from tidewheel.ledger.locks import Busy
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Status
from tidewheel.quantities import quantity
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Gone, Traffic, await_traffic, drain
from tidewheel.retirement.mlflow_models import MlflowModels
from tidewheel.retirement.traces import declaration, kept_declaration

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tidewheel.ledger.releases import Releases
    from tidewheel.release.backend import Backend
    from tidewheel.settings import Settings

PURPOSES = ("features", "scoring", "monitoring", "training", "release")
DRAIN_SECONDS = 30.0


@dataclass(frozen=True)
class Retirement:
    """Gives one pipeline up.

    Attributes:
        settings: of the installation.
        pipeline: its name.
        backend: where it is served.
        releases: the ledger.
        report: gets a sentence for each step that was done.
    """

    settings: Settings
    pipeline: str
    backend: Backend
    releases: Releases
    report: Callable[[str], None]

    def retire(self, *, delete_data: bool = False, delete_models: bool = False) -> None:
        """Declaration first, so that nothing starts again what is stopped after it; what stays comes last.

        Args:
            delete_data: of lake and request log.
            delete_models: of the registry, with what was downloaded and packaged of them.

        Raises:
            UsageError: a release is under way.
            TidewheelError: a part of the platform does not answer; run again, it goes on.
        """
        try:
            with self.releases.exclusively(self.pipeline, 0):
                self.remove_declaration()
                self.withdraw(Gone(since=datetime.now(UTC).date().isoformat()))
                self._close_what_is_open()
                self._note(delete_data=delete_data, delete_models=delete_models)
        except Busy as error:
            raise UsageError(
                f"a release of {self.pipeline} is under way, nothing was changed: wait for it, or take it back with "
                f"`tidewheel rollback {self.pipeline}` ({error})"
            ) from None
        self.end_runs()
        if delete_data:
            Lake.open(self.pipeline, self.settings).store.remove(self.pipeline)
            shutil.rmtree(self.settings.request_log_folder / self.pipeline, ignore_errors=True)
            self.report("its data are deleted: lake and request log")
        if delete_models:
            MlflowModels(self.settings).delete(self.pipeline)
            # A later pipeline of this name goes on counting: no version of its own meets a verdict of these.
            Models(self.releases.ledger).forget(self.pipeline)
            for folder in self._made_again():
                shutil.rmtree(folder, ignore_errors=True)
            self.report("its models are deleted: registered versions, experiment, Bentos")

    def remove_declaration(self) -> None:
        """Take the files out of dags/, and keep them in the home; the pipeline's DAGs go with them."""
        folder = kept_declaration(self.settings, self.pipeline)
        files = declaration(self.settings, self.pipeline)
        for file in files:
            folder.mkdir(parents=True, exist_ok=True)
            # A file that is there already is that of an earlier pipeline of this name, or of a step that was killed.
            shutil.copy2(file, folder / file.name)
            file.unlink()
        if files:
            self.report(f"{' and '.join(file.name for file in files)} moved to {folder}: its DAGs go")

    def withdraw(self, gone: Gone) -> None:
        """Route nothing to the pipeline any more, and stop both colours once they have answered what they had begun."""
        started = [colour for colour in Colour if self.backend.version(colour) is not None]
        if not started and self.releases.endpoint(self.pipeline) is None:
            return
        self.backend.withdraw(gone)
        await_traffic(self.backend, Traffic())
        for colour in started:
            drain(self.backend, colour, DRAIN_SECONDS)
            self.backend.stop(colour)
        self.releases.forget_endpoint(self.pipeline)
        self.report(
            f"nothing answers any more at {self.backend.endpoint()}; callers get: {gone.sentence(self.pipeline)}"
        )

    def end_runs(self) -> None:
        """Pause the DAGs and end their runs; where Airflow does not answer, it finds the files gone by itself."""
        try:
            with AirflowApi.open(self.settings) as airflow:
                ended = sum(airflow.end_runs(f"{self.pipeline}.{purpose}") for purpose in PURPOSES)
        except (PlatformError, SettingsError) as error:
            self.report(f"runs that are under way end by themselves: {error}")
            return
        if ended:
            self.report(f"{quantity(ended, 'run')} in Airflow ended")

    def _note(self, *, delete_data: bool, delete_models: bool) -> None:
        goes = ["its data are to be deleted"] if delete_data else []
        goes += ["its models are to be deleted"] if delete_models else []
        sentence = "; ".join([f"{self.pipeline} is retired", *goes])
        actor, now = operating_system_user(), datetime.now(UTC)
        entry = Entry(self.pipeline, Act.RETIREMENT, self.pipeline, "retired", sentence, actor, run_id="", at=now)
        note(self.releases.ledger, entry)

    def _close_what_is_open(self) -> None:
        now = datetime.now(UTC)
        if (running := self.releases.running(self.pipeline)) is not None:  # its process is gone: the lock was free
            self.releases.end(running.id, Status.SUPERSEDED, "the pipeline was retired", now)
            self.report(f"release {running.id}, which was left behind, is closed")
        if self.releases.ledger.open_request(self.pipeline) is not None:
            self.releases.ledger.withdraw_request(self.pipeline, "retired", now)
            self.report("the open request for a training is closed")

    def _made_again(self) -> list[Path]:
        settings, name = self.settings, self.pipeline
        return [settings.model_cache / name, settings.replay_cache / name, settings.bento_folder / "bentos" / name]
