"""Buttons on a task that open what its job left: reports, the MLflow run, the record."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

import attrs
from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

from tidewheel.console_route import CONSOLE_ROUTE

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

LAKE_ROUTE = f"{CONSOLE_ROUTE}/lake"
RECORD_ROUTE = f"{CONSOLE_ROUTE}/record"
RECORD = "Record"
REPORT = "Report"


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
            return f"{airflow_path()}{RECORD_ROUTE}/{quote(outcome.path)}"
        target = outcome.record.links.get(self.title) or (self.title == REPORT and _first_report(outcome.record.links))
        return browser_address(target) if target else ""


def browser_address(target: str) -> str:
    """Where a browser finds a link of a record: a URL as it is, a path of the lake through Airflow's API server."""
    if _is_url(target):
        return target
    return f"{airflow_path()}{LAKE_ROUTE}/{quote(target)}"


def airflow_address() -> str:
    """Address of Airflow's API server, as a browser knows it."""
    return (conf.get("api", "base_url", fallback="") or "").rstrip("/")


def airflow_path() -> str:
    """The path below which Airflow is mounted; empty where it has a host of its own."""
    return urlsplit(airflow_address()).path


def _first_report(links: Mapping[str, str]) -> str:
    """Jobs that judge several batches name each report after its batch: the button opens the first."""
    return next((target for target in links.values() if not _is_url(target)), "")


def _is_url(target: str) -> bool:
    return urlsplit(target).scheme in ("http", "https")
