"""Gives a pipeline another name, in an order in which callers are answered at every moment.

First its files leave dags/, so that nothing runs; then everything that bears its name is renamed; then its files come
back under the new name, its champion is released under the new path, and only then the old path is withdrawn. A
journal in the home says that a rename is under way: run again, it goes on.
"""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from tidewheel.airflow_api import AirflowApi
from tidewheel.atomic_file import replace_file
from tidewheel.errors import PlatformError, ReleaseError, SettingsError, UsageError
from tidewheel.lake import Lake
from tidewheel.ledger.renaming import has_rows, rename_rows
from tidewheel.project import with_package_renamed
from tidewheel.quantities import quantity
from tidewheel.release.traffic import Gone
from tidewheel.retirement.mlflow_models import MlflowModels
from tidewheel.retirement.retire import PURPOSES
from tidewheel.spec import load_pipeline
from tidewheel.spec.sections import Name

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tidewheel.retirement.retire import Retirement
    from tidewheel.settings import Settings

JOURNAL = "rename.json"


@dataclass(frozen=True)
class Rename:
    """Gives one pipeline another name.

    Attributes:
        settings: of the installation.
        old: its name.
        new: the name it gets.
        leaving: the old name's endpoint, declaration and runs.
        release: puts the champion of the new name behind the endpoint.
    """

    settings: Settings
    old: str
    new: str
    leaving: Retirement
    release: Callable[[], None]

    def run(self) -> None:
        """Begin, or go on where a rename was killed.

        Raises:
            UsageError: the new name is taken or none, or something of the pipeline is under way.
            TidewheelError: a part of the platform does not answer; run again, it goes on.
        """
        if not self._journal.exists():
            self._check()
            self._begin()
        served = json.loads(self._journal.read_text(encoding="utf-8"))["served"]
        self._leave()
        self._rename_folder(self.settings.expectations_folder)
        own_code = self._rename_code()
        self._rename_lake()
        report = self.leaving.report
        report(
            f"{quantity(rename_rows(self.leaving.releases.ledger, self.old, self.new), 'row')} of the ledger renamed"
        )
        MlflowModels(self.settings).rename(self.old, self.new)
        report("model and experiment renamed in MLflow")
        for cache in (self.settings.model_cache, self.settings.replay_cache):
            shutil.rmtree(cache / self.old, ignore_errors=True)
        self._declare(own_code)
        report(f"dags/{self.new}.yaml and {self.new}.py are there: its DAGs come")
        if served:
            self._serve()
        self._move_requests()
        shutil.rmtree(self.settings.bento_folder / "bentos" / self.old, ignore_errors=True)
        shutil.rmtree(self._folder)

    # --- before ----------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        """See that the rename can be done, before anything is changed."""
        try:
            TypeAdapter(Name).validate_python(self.new)
        except ValidationError:
            raise UsageError(
                f"{self.new!r} is no name for a pipeline: expected lower-case letters, digits and _, a letter first"
            ) from None
        settings = self.settings
        pipeline = load_pipeline(settings.pipelines_folder / f"{self.old}.yaml")
        if pipeline.name == self.new:
            raise UsageError(f"{self.old} has that name already")
        taken = [
            what
            for what, there in {
                f"dags/{self.new}.yaml": (settings.pipelines_folder / f"{self.new}.yaml").exists(),
                f"expectations/{self.new}": (settings.expectations_folder / self.new).exists(),
                "a folder in the lake": bool(Lake.open(self.new, settings).store.list_folder(self.new)),
                "rows in the ledger": has_rows(self.leaving.releases.ledger, self.new),
                "a model in MLflow": MlflowModels(settings).has_model(self.new),
            }.items()
            if there
        ]
        if taken:
            raise UsageError(
                f"the name {self.new} is taken: there is {', '.join(taken)}; choose another, or remove it with "
                f"`tidewheel retire {self.new} --delete-data --delete-models`"
            )
        if self.leaving.releases.running(self.old) is not None:
            raise UsageError(f"a release of {self.old} is under way: wait for it, or run `tidewheel rollback`")
        self._see_nothing_runs()

    def _see_nothing_runs(self) -> None:
        try:
            with AirflowApi.open(self.settings) as airflow:
                dags = [dag for purpose in PURPOSES if airflow.has_dag(dag := f"{self.old}.{purpose}")]
                runs = [f"{dag} ({run.state})" for dag in dags for run in airflow.runs(dag) if not run.ended]
        except (PlatformError, SettingsError) as error:
            self.leaving.report(f"whether a run is under way is not known: {error}")
            return
        if runs:
            raise UsageError(f"{', '.join(runs)}: wait until no run of {self.old} is under way, or end it in Airflow")

    def _begin(self) -> None:
        served = self.leaving.releases.endpoint(self.old) is not None
        self._folder.mkdir(parents=True, exist_ok=True)
        for name in (f"{self.old}.yaml", f"{self.old}.py"):
            if (file := self.settings.pipelines_folder / name).exists():
                shutil.copy2(file, self._folder / name)
        said = {"old": self.old, "new": self.new, "since": datetime.now(UTC).date().isoformat(), "served": served}
        replace_file(self._journal, json.dumps(said))

    def _leave(self) -> None:
        """Take the old files out of dags/, of which the journal has copies: nothing of the pipeline starts any more."""
        for name in (f"{self.old}.py", f"{self.old}.yaml"):
            (self.settings.pipelines_folder / name).unlink(missing_ok=True)
        self.leaving.end_runs()

    # --- what bears the name ---------------------------------------------------------------------------------------

    def _rename_folder(self, room: Path) -> None:
        if (room / self.old).exists() and not (room / self.new).exists():
            (room / self.old).rename(room / self.new)
            self.leaving.report(f"{room.name}/{self.old} is {room.name}/{self.new} now")

    def _rename_code(self) -> bool:
        """Rename the pipeline's package where no other pipeline uses it; returns whether it has the new name."""
        room = self.settings.project / self.settings.code_folder
        others = [f for f in self.settings.pipelines_folder.glob("*.yaml") if f.stem not in (self.old, self.new)]
        texts = {file.name: file.read_text(encoding="utf-8", errors="ignore") for file in others}
        users = [name for name, text in texts.items() if self._with_new_name(text) != text]
        if users and (room / self.old).exists():
            self.leaving.report(f"{self.settings.code_folder}/{self.old} keeps its name: {', '.join(users)} use it too")
            return False
        self._rename_folder(room)
        if not (room / self.new).exists():
            return False
        for file in (room / self.new).rglob("*.py"):
            _rewrite(file, self._with_new_name(file.read_text(encoding="utf-8")))
        return True

    def _with_new_name(self, text: str) -> str:
        return with_package_renamed(text, self.settings.code_folder, self.old, self.new)

    def _rename_lake(self) -> None:
        lake = Lake.open(self.new, self.settings)
        lake.store.move(self.old, self.new)
        renamed = 0
        for path in lake.store.find(self.new, ".json"):
            content = lake.store.read(path) or b""
            if self.old.encode() not in content:
                continue
            try:
                document = json.loads(content)
            except ValueError:  # broken before; reading it says so
                continue
            changed = _renamed(document, self.old, self.new)
            if changed != document:
                lake.store.replace(path, json.dumps(changed, indent=2).encode())
                renamed += 1
        self.leaving.report(f"the lake's folder is renamed, and {renamed} manifests and records in it")

    def _declare(self, own_code: bool) -> None:
        """Take the old declaration out of dags/, and put it back under the new name: Airflow's file comes last."""
        text = (self._folder / f"{self.old}.yaml").read_text(encoding="utf-8")
        text = re.sub(rf"^name:(\s*)(['\"]?){self.old}\2(?=\s|$)", rf"name:\1\2{self.new}\2", text, flags=re.MULTILINE)
        if own_code:
            text = self._with_new_name(text)
        written = self._folder / f"{self.new}.yaml"
        written.write_text(text, encoding="utf-8")
        load_pipeline(written)
        folder = self.settings.pipelines_folder
        _rewrite(folder / f"{self.new}.yaml", text)
        dag_file = self._folder / f"{self.old}.py"
        if dag_file.exists():
            code = re.sub(rf"\b{self.old}\b", self.new, dag_file.read_text(encoding="utf-8"))
            _rewrite(folder / f"{self.new}.py", code)

    # --- callers ---------------------------------------------------------------------------------------------------

    def _serve(self) -> None:
        """Release the champion under the new path, and then withdraw the old one."""
        releases = self.leaving.releases
        if releases.endpoint(self.new) is None:
            self.release()
        if releases.endpoint(self.new) is None:
            raise ReleaseError(
                f"{self.new} does not answer yet, and {self.old} still does; when the cause is gone, run "
                f"`tidewheel rename {self.old} {self.new}` again"
            )
        since = json.loads(self._journal.read_text(encoding="utf-8"))["since"]
        with releases.exclusively(self.old, 0):
            self.leaving.withdraw(Gone(since, self.new))

    def _move_requests(self) -> None:
        """What the old path's services have logged until they were stopped; a file's name is its own."""
        inbox = "requests/_inbox"  # pods shipped theirs to the lake after its folder was renamed
        Lake.open(self.new, self.settings).store.move(f"{self.old}/{inbox}", f"{self.new}/{inbox}")
        log = self.settings.request_log_folder
        for file in (log / self.old).glob("*/*"):
            place = log / self.new / file.parent.name
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            file.replace(place / file.name)
        shutil.rmtree(log / self.old, ignore_errors=True)

    @property
    def _folder(self) -> Path:
        return self.settings.home / "renames" / self.old

    @property
    def _journal(self) -> Path:
        return self._folder / JOURNAL


def unfinished(settings: Settings) -> dict[str, str]:
    """Renames that were begun and have not ended: new name by old name."""
    journals = sorted((settings.home / "renames").glob(f"*/{JOURNAL}"))
    found = (json.loads(journal.read_text(encoding="utf-8")) for journal in journals)
    return {each["old"]: each["new"] for each in found}


def _renamed(document: Any, old: str, new: str) -> Any:
    """A manifest or record with the new name: as the value of `pipeline`, and in front of paths of the lake."""
    if isinstance(document, dict):
        return {
            key: new if key == "pipeline" and value == old else _renamed(value, old, new)
            for key, value in document.items()
        }
    if isinstance(document, list):
        return [_renamed(each, old, new) for each in document]
    if isinstance(document, str) and document.startswith((f"{old}/reports/", f"{old}/runs/")):
        return f"{new}{document.removeprefix(old)}"
    return document


def _rewrite(file: Path, text: str) -> None:
    """Replace a file by its new text, in one step, where that differs."""
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return
    replace_file(file, text)
