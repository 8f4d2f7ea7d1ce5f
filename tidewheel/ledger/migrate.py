"""Bringing the ledger's tables to the newest form."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from tidewheel.errors import LedgerError

if TYPE_CHECKING:
    from alembic.config import Config


VERSION_TABLE = "ledger_version"
"""Table of the ledger's database that says which form its tables have."""


def migrate(url: str) -> None:
    """Run the migrations that the database at `url` has not seen yet. Safe to run again.

    Raises:
        LedgerError: the database cannot be reached, or a newer version of Tidewheel has changed its tables.
    """
    from alembic import command
    from alembic.util.exc import CommandError

    config = _config(url)
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        database = make_url(url).render_as_string(hide_password=True)
        raise LedgerError(
            f"the ledger's tables at {database} have a form that this version of Tidewheel does not have ({error}): a "
            "newer version has changed them; install that version again, or restore the backup from before it"
        ) from error
    except OperationalError as error:
        said = " ".join(str(error.orig).split())
        database = make_url(url).render_as_string(hide_password=True)
        raise LedgerError(f"the ledger's tables cannot be made at {database}: {said}") from error


def is_current(url: str) -> bool:
    """Whether the database at `url` answers and holds the ledger's tables in their newest form."""
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import create_engine

    engine = create_engine(url)
    try:
        with engine.connect() as connection:
            applied = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    except OperationalError:
        return False
    finally:
        engine.dispose()
    return set(applied) == set(ScriptDirectory.from_config(_config(url)).get_heads())


def _config(url: str) -> Config:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    return config
