"""Releases in a process of its own, which is killed when a stage has done its work and the ledger does not know yet."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from infra.local import LocalBackend
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases, Status
from tidewheel.release.artifact import Artifact
from tidewheel.release.executor import Executor
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline

# Forked from a server that has imported this module: a process that ends violently takes nothing of pytest with it.
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload([__name__])


class Deadly(Releases):
    """A ledger whose writer dies before it can note the end of a stage."""

    def __init__(self, ledger: Ledger, stage: str) -> None:
        super().__init__(ledger)
        self._stage = stage

    def stage_ended(
        self, release_id: int, position: int, status: Status, detail: Mapping[str, Any], at: datetime
    ) -> None:
        """Note the end of a stage, or die."""
        if self.stages(release_id)[position].name == self._stage:
            os.kill(os.getpid(), signal.SIGKILL)
        super().stage_ended(release_id, position, status, detail, at)


def release_and_die(
    settings: Settings, pipeline: Pipeline, artifacts: Mapping[str, Artifact], version: str, stage: str
) -> int:
    """Release a version, and die in a stage; returns the process's exit code."""
    arguments = (settings, pipeline, dict(artifacts), version, stage)
    process = PROCESSES.Process(target=_release, args=arguments)
    process.start()
    process.join(180)
    assert process.exitcode is not None, f"the process that should die in {stage} lives"
    return process.exitcode


def _release(settings: Settings, pipeline: Pipeline, artifacts: dict[str, Artifact], version: str, stage: str) -> None:
    releases = Deadly(Ledger(settings.require("database_url")), stage)
    executor = Executor(pipeline, LocalBackend(settings, pipeline.name), releases, artifacts.__getitem__)
    executor.run(executor.begin(version, "killed").number)
