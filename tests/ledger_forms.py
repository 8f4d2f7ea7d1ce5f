"""Ledgers whose tables have another form than this version's: of an older version, and of a newer one."""

from __future__ import annotations

from collections.abc import Callable

from alembic import command
from alembic.config import Config
from sqlalchemy import create_engine, text

from tidewheel.ledger import migrate

OLD, NEW = "0001", "9999"


def migrations(url: str) -> Config:
    """Alembic's view of a ledger, to bring it to any form."""
    made = Config()
    made.set_main_option("script_location", "tidewheel:ledger/migrations")
    made.set_main_option("path_separator", "os")
    made.attributes["url"] = url
    return made


def older(url: str) -> None:
    """Give a database the tables of an older version."""
    command.upgrade(migrations(url), OLD)


def newer(url: str) -> None:
    """Give a database the tables of a version to come: verdicts need one more value, a column of others is renamed."""
    migrate(url)
    engine = create_engine(url)
    with engine.begin() as connection:
        for statement in (
            "ALTER TABLE verdict ADD COLUMN tenant VARCHAR(9) NOT NULL",
            "ALTER TABLE alert_incident RENAME COLUMN sentence TO words",
            "ALTER TABLE release RENAME COLUMN status TO state",
            "ALTER TABLE figure RENAME COLUMN value TO amount",
            f"UPDATE ledger_version SET version_num = '{NEW}'",
        ):
            connection.execute(text(statement))
    engine.dispose()


SAID: dict[Callable[[str], None], str] = {
    older: f"has not the tables of this version (it has form {OLD}, this version needs ",
    newer: f"has tables of form {NEW}, which a newer version of Tidewheel has changed",
}
"""What a sentence about each of them says."""
