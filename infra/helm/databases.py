"""Prepares what the services need before they start: `python -m infra.helm.databases prepare` or `await`.

`prepare` makes the databases, the ledger's tables, Airflow's tables and, where the chart brings the S3 server, the
bucket. `await` returns when all of that is there in the form that this version expects.
"""

from __future__ import annotations

import contextlib
import logging
import os
import subprocess
import sys
from importlib.metadata import version

import psycopg2

from infra.embedded import postgres
from tidewheel import ledger
from tidewheel.errors import PlatformError, TidewheelError
from tidewheel.lake import Store
from tidewheel.lake.outage import outage_sentence
from tidewheel.polling import poll
from tidewheel.settings import Settings, load_settings

SECONDS = 300.0
POLL_SECONDS = 2.0
CREATE_BUCKET = "TIDEWHEEL_CREATE_BUCKET"
AIRFLOW_DATABASE = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
logger = logging.getLogger("tidewheel.databases")


def wait_until_postgres_answers(url: str, seconds: float = SECONDS) -> None:
    """Wait until the server accepts connections with this URL's user and password.

    Raises:
        PlatformError: it does not, within that time; the message ends with the server's own words.
    """
    reason = ""
    for _ in poll(seconds, every=POLL_SECONDS):
        before, reason = reason, postgres.refusal(url)
        if not reason:
            return
        if reason != before:
            logger.info("waiting for PostgreSQL: %s", reason)
    raise PlatformError(
        f"PostgreSQL does not accept connections after {seconds:.0f} s: {reason}; see its pod's log, or the host and "
        "password in TIDEWHEEL_DATABASE_URL (Secret tidewheel)"
    )


def create_bucket(settings: Settings, seconds: float = SECONDS) -> None:
    """Make the lake's bucket, unless it is there; the server is given some time to start.

    Args:
        settings: of the installation.
        seconds: for which a server that does not answer is tried again.

    Raises:
        PlatformError: it does not answer within that time, or refuses.
    """
    bucket = settings.lake_root.removeprefix("s3://").split("/", 1)[0]
    filesystem = Store(f"s3://{bucket}", settings.lake_options).fs
    outage: Exception | None = None
    for _ in poll(seconds, every=POLL_SECONDS):
        try:
            made = not filesystem.exists(bucket)
            if made:
                filesystem.mkdir(bucket)
        except OSError as error:  # s3fs has no other name for what the server refuses
            raise PlatformError(
                f"bucket {bucket} could not be made: {error}; see that the key in TIDEWHEEL_LAKE_OPTIONS (Secret "
                "tidewheel) may make buckets"
            ) from error
        except Exception as error:
            if not outage_sentence(error):
                raise
            if outage is None:
                logger.info("waiting for S3: %s", error)
            outage = error
        else:
            if made:
                logger.info("made bucket %s", bucket)
            return
    raise PlatformError(
        f"S3 does not answer after {seconds:.0f} s: {outage}; see the log of pod tidewheel-s3-0, or endpoint_url in "
        "TIDEWHEEL_LAKE_OPTIONS (Secret tidewheel)"
    ) from outage


def airflow_is_current(url: str) -> bool:
    """Whether `prepare` has brought Airflow's tables to the installed version's form."""
    try:
        with contextlib.closing(postgres.connect(url)) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT to_regclass('tidewheel_prepared')")
            if cursor.fetchone() == (None,):
                return False
            cursor.execute("SELECT airflow FROM tidewheel_prepared")
            return cursor.fetchone() == (version("apache-airflow"),)
    except psycopg2.OperationalError:  # the database is made by `prepare`
        return False


def _prepare(settings: Settings) -> None:
    url = settings.require("database_url")
    wait_until_postgres_answers(url)
    postgres.create_databases(url)
    ledger.migrate(url)
    if os.environ.get(CREATE_BUCKET):
        create_bucket(settings)
    if airflow := os.environ.get(AIRFLOW_DATABASE):
        _migrate_airflow(airflow)


def _migrate_airflow(url: str) -> None:
    migrated = subprocess.run(["airflow", "db", "migrate"], check=False)  # noqa: S607 - the image's own, on PATH
    if migrated.returncode:
        raise PlatformError(f"`airflow db migrate` ended with {migrated.returncode}; its reason stands above")
    # Comparing versions takes a millisecond; `airflow db check-migrations` imports Airflow for seconds, in four pods.
    with contextlib.closing(postgres.connect(url)) as connection, connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS tidewheel_prepared (airflow text NOT NULL)")
        cursor.execute("DELETE FROM tidewheel_prepared")
        cursor.execute("INSERT INTO tidewheel_prepared VALUES (%s)", (version("apache-airflow"),))


def _await(settings: Settings) -> None:
    url, airflow = settings.require("database_url"), os.environ.get(AIRFLOW_DATABASE)
    wait_until_postgres_answers(url)
    for _ in poll(SECONDS, every=POLL_SECONDS):
        if ledger.is_current(url) and (not airflow or airflow_is_current(airflow)):
            return
    raise PlatformError(
        f"the databases are not prepared for this version after {SECONDS:.0f} s; see the log of Job "
        "tidewheel-prepare-REVISION"
    )


def main(arguments: list[str]) -> int:
    """Run one of the two commands; returns the exit status."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logger.setLevel(logging.INFO)
    commands = {"prepare": _prepare, "await": _await}
    if len(arguments) != 1 or arguments[0] not in commands:
        logger.error("expected one argument, %s; found: %s", " or ".join(commands), " ".join(arguments) or "none")
        return 2
    try:
        commands[arguments[0]](load_settings())
    except TidewheelError as error:
        logger.error("%s", error)  # noqa: TRY400 - the sentence says it all
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
