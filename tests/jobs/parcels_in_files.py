"""Parcels that come in files, by hour or by week: what the tests of both units share."""

from __future__ import annotations

import json
import runpy
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import ClassVar, Self

import numpy as np
import pandas as pd
import pytest

from tidewheel.hours import start_of
from tidewheel.lake import Lake
from tidewheel.runs import JobRecord, read_record
from tidewheel.settings import Settings, load_settings


@dataclass(frozen=True)
class ParcelsInFiles:
    """A project with one pipeline; a subclass says in which unit its files come.

    Attributes:
        folder: of the project.
        name: of the pipeline.
        lake: of the pipeline.
    """

    folder: Path
    name: str
    lake: Lake

    DECLARATION: ClassVar[str]
    """The pipeline's file, without its name."""
    RATE: ClassVar[str]
    """A column of its features."""

    @classmethod
    def declared(cls, folder: Path, prefix: str, database_url: str, mlflow_url: str, patch: pytest.MonkeyPatch) -> Self:
        """The pipeline, its suites and its environment; the registry may have others, so its name is its own."""
        variables = {"HOME": folder / "home", "PROJECT": folder, "CODE_VERSION": "test"}
        for variable, value in {**variables, "DATABASE_URL": database_url, "MLFLOW_URL": mlflow_url}.items():
            patch.setenv(f"TIDEWHEEL_{variable}", str(value))
        patch.setattr("jobs.evaluation.footprint.TIMED_CALLS", 5)
        return cls.placed(folder, f"{prefix}{abs(hash(folder)):x}", load_settings())

    @classmethod
    def placed(cls, folder: Path, name: str, settings: Settings, more: str = "") -> Self:
        """The pipeline's file and its suites in a project, and a folder for what it reads.

        Args:
            folder: of the project.
            name: of the pipeline.
            settings: of the installation.
            more: further sections of its file.
        """
        for made in ("dags", "source"):
            (folder / made).mkdir(exist_ok=True)
        (folder / "dags" / f"{name}.yaml").write_text(cls.DECLARATION.format(name=name) + more)
        suites = folder / "expectations" / name
        suites.mkdir(parents=True)
        for suite, column in (("raw", "weight"), ("features", cls.RATE), ("predictions", "prediction")):
            rule = {"type": "expect_column_to_exist", "kwargs": {"column": column}, "severity": "critical"}
            (suites / f"{suite}.json").write_text(json.dumps({"name": suite, "expectations": [rule], "meta": {}}))
        return cls(folder, name, Lake.open(name, settings))

    def run(self, job: str, partition: object, run_id: str, *options: str) -> JobRecord:
        """Run a job as its command line would, in this process."""
        arguments = ["--pipeline", self.name, "--partition", str(partition), "--run-id", run_id, *options]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", [f"jobs.{job}", *arguments])
            with pytest.raises(SystemExit) as ended:
                runpy.run_module(f"jobs.{job}", run_name="__main__")
        if ended.value.code != 0:
            raise ended.value
        return read_record(self.lake, run_id, f"{job}-{options[1]}" if options[:1] == ("--stage",) else job)


def random_parcels(partition: date, seconds: int, rows: int, seed: int) -> pd.DataFrame:
    """The rows of a partition, in all of it; the outcome of heavy parcels and of the slow carrier is late.

    Args:
        partition: its first day, or its hour.
        seconds: how long it is.
        rows: how many.
        seed: of the random numbers.
    """
    rng = np.random.default_rng(seed)
    moments = np.linspace(0, seconds - 1, rows).astype(int)
    parcels = pd.DataFrame(
        {
            "parcel": [f"{partition}-{n:05}" for n in range(rows)],
            "ordered_at": [start_of(partition) + timedelta(seconds=int(moment)) for moment in moments],
            "carrier": rng.choice(["fast", "slow"], rows),
            "weight": rng.normal(size=rows),
        }
    )
    chance = 1 / (1 + np.exp(-(2 * parcels["weight"] + (parcels["carrier"] == "slow"))))
    return parcels.assign(late=(rng.random(rows) < chance).astype(int))
