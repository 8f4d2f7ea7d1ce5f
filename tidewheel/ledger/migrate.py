"""Bringing the ledger's tables to the newest form."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from tidewheel.errors import LedgerError


def migrate(url: str) -> None:
    """Run the migrations that the database at `url` has not seen yet. Safe to run again.

    Raises:
        LedgerError: the database cannot be reached.
    """
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = url
    try:
        command.upgrade(config, "head")
    except OperationalError as error:
        said = " ".join(str(error.orig).split())
        database = make_url(url).render_as_string(hide_password=True)
        raise LedgerError(f"the ledger's tables cannot be made at {database}: {said}") from error
