"""The chart's `helm test`: `python -m infra.helm.installed` asks every service of the installation what it is for.

With `--own-mlflow` MLflow must require a login, as the chart's does; `--exporter URL` names the chart's exporter. Each
line of its output is one claim; the first that does not hold ends it with a sentence.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from uuid import uuid4

import httpx

from tidewheel import ledger
from tidewheel.airflow_api import AirflowApi
from tidewheel.errors import PlatformError, TidewheelError
from tidewheel.http_client import fetch, http_client
from tidewheel.lake import Store
from tidewheel.lake.outage import outage_sentence
from tidewheel.polling import poll
from tidewheel.settings import Settings, load_settings

AIRFLOW_PROCESSES = ("metadatabase", "scheduler", "dag_processor", "triggerer")
LEDGER_UP = "tidewheel_ledger_up 1.0"
REQUEST_SECONDS = 30.0
SECONDS = 120.0
"""Airflow's health page needs a heartbeat of each process first."""
logger = logging.getLogger("tidewheel.installed")


def ledger_answers(settings: Settings) -> None:
    """The ledger's tables are in this version's form."""
    if not ledger.is_current(settings.require("database_url")):
        raise PlatformError("the ledger's tables are not those of this version; see Job tidewheel-prepare")


def lake_takes_objects(settings: Settings) -> None:
    """The lake stores an object and gives the same bytes back."""
    store, content = Store(settings.lake_root, settings.lake_options), uuid4().bytes
    path = f"{settings.lake_root.removeprefix('s3://')}/.helm-test/{uuid4().hex}"
    store.fs.pipe_file(path, content)
    try:
        if store.fs.cat_file(path) != content:
            raise PlatformError(f"the lake returned other bytes than were written to {path}")
    finally:
        store.fs.rm_file(path)


def mlflow_answers(settings: Settings) -> None:
    """MLflow answers with the login of the settings, or without one where they name no user."""
    user = settings.mlflow_username
    _ask_mlflow(settings, (user, settings.require("mlflow_password")) if user else None, 200)


def mlflow_asks_for_a_login(settings: Settings) -> None:
    """MLflow refuses a caller without a login."""
    _ask_mlflow(settings, None, 401)


def _ask_mlflow(settings: Settings, login: tuple[str, str] | None, expected: int) -> None:
    url = f"{settings.require('mlflow_url').rstrip('/')}/api/2.0/mlflow/experiments/search"
    with http_client(seconds=REQUEST_SECONDS, auth=login) as client:
        answer = client.get(url, params={"max_results": 1})
    if answer.status_code != expected:
        raise PlatformError(
            f"MLflow at {settings.mlflow_link} answered {answer.status_code} {'with' if login else 'without'} a login, "
            f"expected {expected}"
        )


def airflow_is_healthy(settings: Settings) -> None:
    """Airflow lets its user in, reads every DAG file, and all of its processes have a recent heartbeat."""
    with AirflowApi.open(settings) as api:
        errors = api.import_errors()  # behind the login
    if errors:
        raise PlatformError(f"Airflow cannot read {', '.join(errors)}: {'; '.join(errors.values())}")
    for _ in poll(SECONDS, every=2):
        if not (ill := _ill_processes(settings.require("airflow_url"))):
            return
    raise PlatformError(f"Airflow's {', '.join(ill)} not healthy after {SECONDS:.0f} s")


def _ill_processes(url: str) -> list[str]:
    health = fetch(f"{url}/api/v2/monitor/health", REQUEST_SECONDS).raise_for_status().json()
    return [name for name in AIRFLOW_PROCESSES if (health.get(name) or {}).get("status") != "healthy"]


def exporter_at(url: str) -> Callable[[Settings], None]:
    """The check of the exporter that listens at an address."""

    def exporter_reads_the_ledger(_: Settings) -> None:
        answer = fetch(f"{url}/metrics", REQUEST_SECONDS).raise_for_status()
        if LEDGER_UP not in answer.text.splitlines():
            raise PlatformError(f"the metrics at {url} have no line `{LEDGER_UP}`; see the log of tidewheel-exporter")

    return exporter_reads_the_ledger


def main(arguments: Sequence[str]) -> int:
    """Check one after the other; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.helm.installed", description=__doc__)
    parser.add_argument("--own-mlflow", action="store_true", help="MLflow must require a login")
    parser.add_argument("--exporter", default="", metavar="URL", help="address of the exporter; default: there is none")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)
    settings = load_settings()
    checks: list[Callable[[Settings], None]] = [ledger_answers, lake_takes_objects]
    checks += [mlflow_answers] if settings.mlflow_url else []
    checks += [mlflow_asks_for_a_login] if options.own_mlflow else []
    checks += [airflow_is_healthy] if os.environ.get("TIDEWHEEL_AIRFLOW_PASSWORD") else []
    checks += [exporter_at(options.exporter)] if options.exporter else []
    for check in checks:
        claim = check.__name__.replace("_", " ")
        try:
            check(settings)
        except (TidewheelError, httpx.HTTPError, OSError) as error:
            logger.error("failed: %s: %s", claim, error)  # noqa: TRY400 - one line for each claim
            return 1
        except Exception as error:
            if not (sentence := outage_sentence(error)):
                raise
            logger.error("failed: %s: %s", claim, sentence)  # noqa: TRY400 - one line for each claim
            return 1
        logger.info("ok: %s", claim)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
