"""Prepares what the services need before they start: `python -m infra.helm.databases prepare` or `await`.

`prepare` makes the databases, the ledger's tables, Airflow's tables and, where the chart brings the S3 server, the bucket.
`await` returns when all of that is there in the form that this version expects.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from pathlib import Path

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from infra.embedded import postgres
from tidewheel import ledger
from tidewheel.errors import PlatformError, TidewheelError
from tidewheel.lake import Store
from tidewheel.ledger import migrate as migrations
from tidewheel.settings import Settings, load_settings

SECONDS = 300.0
POLL_SECONDS = 2.0
CREATE_BUCKET = "TIDEWHEEL_CREATE_BUCKET"
logger = logging.getLogger("tidewheel.databases")


def wait_until_postgres_answers(url: str, seconds: float = SECONDS) -> None:
    """Wait until the server accepts connections with this URL's user and password.

    Raises:
        PlatformError: it does not, within that time; the message ends with the server's own words.
    """
    deadline, said = time.monotonic() + seconds, ""
    while reason := postgres.refusal(url):
        if time.monotonic() > deadline:
            raise PlatformError(
                f"PostgreSQL does not accept connections after {seconds:.0f} s: {reason}; see its pod's log, or the "
                "host and password in TIDEWHEEL_DATABASE_URL (Secret tidewheel)"
            )
        if reason != said:
            logger.info("waiting for PostgreSQL: %s", reason)
            said = reason
        time.sleep(POLL_SECONDS)


def ledger_is_current(url: str) -> bool:
    """Whether the ledger's tables are there in this version's form."""
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).with_name("migrations")))
    expected = set(ScriptDirectory.from_config(config).get_heads())
    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            return set(MigrationContext.configure(connection).get_current_heads()) == expected
    except OperationalError:  # the database is made by `prepare`
        return False
    finally:
        engine.dispose()


def create_bucket(settings: Settings) -> None:
    """Make the lake's bucket, unless it is there."""
    bucket = settings.lake_root.removeprefix("s3://").split("/", 1)[0]
    filesystem = Store(f"s3://{bucket}", settings.lake_options).fs
    if not filesystem.exists(bucket):
        filesystem.mkdir(bucket)
        logger.info("made bucket %s", bucket)


def _prepare(settings: Settings) -> None:
    url = settings.require("database_url")
    wait_until_postgres_answers(url)
    postgres.create_databases(url)
    ledger.migrate(url)
    if os.environ.get(CREATE_BUCKET):
        create_bucket(settings)
    if os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        os.execvp("airflow", ["airflow", "db", "migrate"])  # noqa: S606, S607 - the image's own, found on PATH


def _await(settings: Settings) -> None:
    url = settings.require("database_url")
    wait_until_postgres_answers(url)
    deadline = time.monotonic() + SECONDS
    while not ledger_is_current(url):
        if time.monotonic() > deadline:
            raise PlatformError(f"the ledger's tables are not current after {SECONDS:.0f} s; see Job tidewheel-prepare")
        time.sleep(POLL_SECONDS)
    if os.environ.get("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        wait = ["airflow", "db", "check-migrations", "--migration-wait-timeout", f"{SECONDS:.0f}"]
        os.execvp("airflow", wait)  # noqa: S606, S607 - the image's own, found on PATH


def main(arguments: list[str]) -> int:
    """Run one of the two commands; returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    commands = {"prepare": _prepare, "await": _await}
    if len(arguments) != 1 or arguments[0] not in commands:
        logger.error("expected one argument, %s; found: %s", " or ".join(commands), " ".join(arguments) or "none")
        return 2
    try:
        commands[arguments[0]](load_settings())
    except TidewheelError as error:
        logger.error("%s", error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
