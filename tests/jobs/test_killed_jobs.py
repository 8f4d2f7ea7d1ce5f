"""kill -9 in the middle of a training or of a night: nothing half-done counts, and the next run ends as undisturbed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from jobs.models import registry
from tests.conftest import wait_until
from tests.jobs.deadly_jobs import kill_job_where, start_job
from tidewheel.errors import ExitCode
from tidewheel.policies.verdict import Kind

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]

pytestmark = pytest.mark.slow


def start(parcels: Parcels, job: str, day: date, run_id: str) -> BaseProcess:
    """Start a job as a process of its own; its output goes to a file in its home."""
    return start_job(job, _arguments(parcels, day, run_id), log_of(parcels))


def kill_where(parcels: Parcels, job: str, day: date, run_id: str, called: str) -> None:
    """Run a job until it calls a function, and kill it there."""
    kill_job_where(job, _arguments(parcels, day, run_id), log_of(parcels), called)
    assert parcels.lake.store.read(f"{parcels.name}/runs/{run_id}/{job}.json") is None


def _arguments(parcels: Parcels, day: date, run_id: str) -> list[str]:
    return ["--pipeline", parcels.name, "--partition", str(day), "--run-id", run_id]


def log_of(parcels: Parcels) -> Path:
    parcels.settings.home.mkdir(exist_ok=True)
    return parcels.settings.home / "killed.log"


def test_a_training_killed_in_each_of_its_jobs_ends_with_the_same_champion_and_verdict(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels()
    day = parcels.publish_days(12)[-1]
    undisturbed = run_job(parcels, "assemble", day, "undisturbed")

    kill_where(parcels, "assemble", day, "one", "tidewheel.runs:write_record")
    assembled = run_job(parcels, "assemble", day, "one")
    assert (assembled.inputs, assembled.figures) == (undisturbed.inputs, undisturbed.figures)

    kill_where(parcels, "train", day, "one", "mlflow:register_model")
    assert registry.challenger(parcels.settings, parcels.name) is None
    run_job(parcels, "train", day, "one")

    # The ledger has no verdict yet: the version cannot be promoted.
    kill_where(parcels, "evaluate", day, "one", "tidewheel.ledger:Ledger.record")
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "promote", day, "one")
    assert refused.value.code == ExitCode.WRONG_USAGE
    judged = run_job(parcels, "evaluate", day, "one")
    assert judged.figures["outcome"] == "passed"
    assert len(parcels.ledger.verdicts(parcels.name, Kind.GATE)) == 1
    assert run_job(parcels, "evaluate", day, "one").figures == judged.figures

    kill_where(parcels, "promote", day, "one", "jobs.models.registry:set_alias")
    assert registry.champion(parcels.settings, parcels.name) is None
    assert run_job(parcels, "promote", day, "one").figures["promoted"] is True
    champion = registry.champion(parcels.settings, parcels.name)
    assert champion is not None
    assert (champion.version, champion.tags[registry.PREVIOUS_VERSION]) == ("1", "")


def test_a_night_killed_in_each_of_its_jobs_leaves_nothing_half_done_and_then_the_same(
    registered_parcels: MakeParcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    parcels = registered_parcels()
    day = parcels.publish_days(12)[-1]
    for job in ("assemble", "train", "evaluate", "promote"):
        run_job(parcels, job, day, "training")

    undisturbed = run_job(parcels, "score", day, "undisturbed").outputs
    kill_where(parcels, "score", day, "night", "tidewheel.lake:Lake.stage")
    assert parcels.lake.partitions("predictions") == []
    assert run_job(parcels, "score", day, "night").outputs == undisturbed

    kill_where(parcels, "monitor", day, "night", "tidewheel.ledger:Ledger.record")
    assert parcels.ledger.verdicts(parcels.name, Kind.TRIGGER) == []
    seen = run_job(parcels, "monitor", day, "night")
    again = run_job(parcels, "monitor", day, "night")
    assert (seen.inputs, seen.figures) == (again.inputs, again.figures)
    assert len(parcels.ledger.verdicts(parcels.name, Kind.TRIGGER)) == 1

    packaging = start(parcels, "package", day, "release")
    group = packaging.pid or 0
    building = f"{parcels.name} is being built"
    try:
        wait_until(lambda: builds(group) or not packaging.is_alive(), building, seconds=240)
    finally:
        os.killpg(group, signal.SIGKILL)
    packaging.join(10)
    assert packaging.exitcode == -signal.SIGKILL, log_of(parcels).read_text()
    built = run_job(parcels, "package", day, "release")
    assert built.figures["reused"] is False
    archive = f"{parcels.name}/bentos/{built.figures['content_hash']}.tar"
    assert built.figures["published"] == parcels.lake.store.url(archive)
    published = parcels.lake.store.read(archive)
    found = run_job(parcels, "package", day, "release")
    assert found.figures["reused"] is True
    assert found.figures["content_hash"] == built.figures["content_hash"]

    # Built anew where it was lost: the form is the one chosen then, whatever the clock says now.
    shutil.rmtree(parcels.settings.home / "bentos")
    monkeypatch.setattr("jobs.packaging.compile.MUCH_FASTER", 0.0)
    anew = run_job(parcels, "package", day, "release")
    assert anew.figures["reused"] is False
    assert anew.figures["content_hash"] == built.figures["content_hash"]
    assert parcels.lake.store.read(archive) == published


def builds(packaging: int) -> bool:
    """Whether `bentoml build` runs."""
    try:
        children = psutil.Process(packaging).children(recursive=True)
        return any("bentoml" in child.cmdline() for child in children)
    except psutil.Error:  # it has ended meanwhile
        return False
