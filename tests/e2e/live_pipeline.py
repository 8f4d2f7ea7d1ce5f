"""A pipeline in the Airflow of all end-to-end tests: its runs are started and waited for by their purpose."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import httpx

from tests.conftest import wait_until
from tests.installation import Installation
from tidewheel.airflow_api import DagRun

SECONDS_TO_WAIT = 400


class LivePipeline:
    """A pipeline that Airflow has read.

    Args:
        installation: where it runs.
        name: of the pipeline.
    """

    def __init__(self, installation: Installation, name: str) -> None:
        self.installation = installation
        self.name = name

    def run(self, purpose: str, run_id: str, **form: object) -> None:
        """Start one of its DAGs by hand and see it through."""
        self.installation.api.trigger(f"{self.name}.{purpose}", run_id, conf=form)
        self.finish(purpose, run_id)

    def night(self, run_id: str, key: str) -> None:
        """Start a day's features, as the schedule does."""
        self.installation.api.trigger(f"{self.name}.features", run_id, partition_key=key)

    def wait_for(self, purpose: str, key: str | None = None) -> DagRun:
        """Wait for the end of a run that nobody starts by hand."""
        seen: list[DagRun] = []

        def ended() -> bool:
            run = self.newest(purpose, key)
            seen.extend([run] if run is not None else [])
            return run is not None and run.ended

        wait_until(ended, f"{purpose} of {key or self.name} has ended", SECONDS_TO_WAIT)
        return seen[-1]

    def runs(self, purpose: str) -> set[str]:
        """Ids of the runs of a DAG so far."""
        return {run.run_id for run in self.installation.api.runs(f"{self.name}.{purpose}")}

    def begun(self, purpose: str, earlier: Collection[str] = ()) -> DagRun:
        """Wait for the first run after earlier ones, which nobody starts by hand."""

        def later() -> list[DagRun]:
            runs = self.installation.api.runs(f"{self.name}.{purpose}")
            return [run for run in runs if run.run_id not in earlier]

        wait_until(lambda: bool(later()), f"{self.name}.{purpose} begins", SECONDS_TO_WAIT)
        return later()[-1]

    def after(self, purpose: str, earlier: Collection[str] = ()) -> DagRun:
        """Wait for the end of the first run after earlier ones."""
        return self.finish(purpose, self.begun(purpose, earlier).run_id)

    def finish(self, purpose: str, run_id: str) -> DagRun:
        """See a run of one of its DAGs through to its success."""
        run, tasks = self.installation.finish(f"{self.name}.{purpose}", run_id, SECONDS_TO_WAIT)
        assert run.state == "success", tasks
        return run

    def newest(self, purpose: str, key: str | None = None) -> DagRun | None:
        """The newest run of a DAG, of a day where one is named."""
        runs = self.installation.api.runs(f"{self.name}.{purpose}")
        return next((run for run in runs if key is None or run.partition_key == key), None)

    def backfill(self, first: datetime, last: datetime) -> None:
        """Have Airflow make a run of the features for each partition between two moments, as its page does."""
        settings = self.installation.settings
        login = {"username": settings.airflow_username, "password": settings.require("airflow_password")}
        token = httpx.post(f"{settings.airflow_url}/auth/token", json=login).raise_for_status().json()["access_token"]
        httpx.post(
            f"{settings.airflow_url}/api/v2/backfills",
            headers={"authorization": f"Bearer {token}"},
            json={"dag_id": f"{self.name}.features", "from_date": first.isoformat(), "to_date": last.isoformat()},
            timeout=30,
        ).raise_for_status()
