"""Buttons on a task that open what its job left: reports, the MLflow run, the record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import attrs
from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

LAKE_ROUTE = "/tidewheel/lake"
RECORD = "Record"


@attrs.define
class JobLink(BaseOperatorLink):
    """One link of a job's record, by its title; the button is dead until the job has left that link."""

    title: str

    @property
    def name(self) -> str:
        """Text of the button."""
        return self.title

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the link of one run."""
        return "_link_" + re.sub(r"\W+", "_", self.title.lower())

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Address of the link, empty where the job left none. Called at the end of the task, by the task's process."""
        outcome = getattr(operator, "outcome", None)
        if outcome is None or outcome.record is None:
            return ""
        if self.title == RECORD:
            return browser_address(outcome.path)
        target = outcome.record.links.get(self.title)
        return browser_address(target) if target else ""


def browser_address(target: str) -> str:
    """Where a browser finds a link of a record: a URL as it is, a path of the lake through Airflow's API server."""
    if urlsplit(target).scheme in ("http", "https"):
        return target
    mounted_at = urlsplit(conf.get("api", "base_url", fallback="") or "").path.rstrip("/")
    return f"{mounted_at}{LAKE_ROUTE}/{quote(target)}"
