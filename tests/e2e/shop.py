"""A pipeline as `tidewheel new` makes it, on the platform of all end-to-end tests."""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
from ruamel.yaml import YAML

from tests.conftest import wait_until
from tests.e2e.live_pipeline import LivePipeline
from tests.installation import Installation

NAME = "shop"
HISTORY_DAYS = 20
MINUTES_TO_FIRST_NIGHT = 3
"""The night comes when history, training and release have ended, or while they run: both go."""


class Shop(LivePipeline):
    """The scaffolded pipeline. Its nightly schedule is in a few minutes, everything else is as it was made.

    Args:
        installation: where it is made.
        name: of the pipeline.
        minutes: from now to its first night.
    """

    def __init__(self, installation: Installation, name: str = NAME, minutes: int = MINUTES_TO_FIRST_NIGHT) -> None:
        super().__init__(installation, name)
        made = installation.command("new", name)
        assert made.returncode == 0, made.stderr
        path = installation.project / f"jobs/pipelines/{name}/reader.py"
        found = importlib.util.spec_from_file_location(f"{name}_reader", path)
        assert found is not None
        assert found.loader is not None
        self.reader = importlib.util.module_from_spec(found)
        found.loader.exec_module(self.reader)
        first_night = datetime.now(UTC) + timedelta(minutes=minutes)
        self.yesterday = first_night.date() - timedelta(days=1)
        with self.declaration() as declared:
            declared["schedule"] = f"{first_night.minute} {first_night.hour} * * *"
        checked = installation.command("validate", name)
        assert checked.returncode == 0, checked.stdout + checked.stderr
        installation.api.wait_for_dag(f"{name}.release")

    def begin(self) -> None:
        """Give it a history, until the day before its first night, and a model; the release follows by itself."""
        last = self.yesterday - timedelta(days=1)
        first = last - timedelta(days=HISTORY_DAYS - 1)
        self.run("features", "history", first=first.isoformat(), last=last.isoformat())
        self.run("training", "first_model", reason="there is none yet")
        self.wait_for("release")

    @contextmanager
    def declaration(self) -> Iterator[Any]:
        """The pipeline file, to be changed."""
        path, yaml = self.installation.project / f"dags/{self.name}.yaml", YAML()
        declared = yaml.load(path)
        yield declared
        with path.open("w") as file:
            yaml.dump(declared, file)

    def ask(self, day: date | None = None) -> dict[str, Any]:
        """What the endpoint answers for a row of its features: of the first day, or of another one."""
        lake = self.installation.lake(self.name)
        columns = ["amount", "items", "hour", "channel_return_rate_7d", "channel"]
        key = str(day or lake.partitions("features")[0])
        [row] = lake.read(lake.need("features", key), columns).slice(0, 1).to_pylist()
        url = f"{self.installation.settings.endpoint_url}/{self.name}/predict"
        answer: dict[str, Any] = httpx.post(url, json={"rows": [row]}, timeout=30).raise_for_status().json()
        return answer


class Files:
    """The shop's rows and labels as a file a day, which a test may spoil; the pipeline reads them from now on.

    Args:
        shop: the pipeline.
        folder: where the files lie.
        days: that have a file.
        turned: days on which every label is the opposite.
    """

    def __init__(self, shop: Shop, folder: Path, days: list[date], turned: Collection[date] = ()) -> None:
        self.shop = shop
        self.folder = folder
        for day in days:
            shop.reader.orders(day).to_parquet(self.orders(day.isoformat()))
            labels = shop.reader.returns(day)
            if day in turned:
                labels["returned"] = 1 - labels["returned"]
            labels.to_parquet(folder / f"returns-{day}.parquet")
        with shop.declaration() as declared:
            for section, name in (("source", "orders"), ("labels", "returns")):
                declared[section]["reader"] = {"kind": "parquet", "path": f"{folder}/{name}-{{partition}}.parquet"}
            declared["source"]["start"] = days[0]
            declared["source"]["end"] = days[-1]

    def orders(self, key: str) -> Path:
        """The file with a day's rows."""
        return self.folder / f"orders-{key}.parquet"


def job_process(installation: Installation, module: str, run_id: str) -> int:
    """Wait until a job of a run runs; the id of its process."""
    found: list[int] = []

    def runs() -> bool:
        for process in psutil.process_iter(["cmdline"]):
            line = process.info["cmdline"] or []
            if module in line and f"--run-id={run_id}" in line:
                found.append(process.pid)
        return bool(found)

    wait_until(runs, f"{module} of {run_id} runs", 180)
    return found[0]
