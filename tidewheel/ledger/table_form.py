"""The form of a ledger's tables, which between two versions of the code is not the one that this code needs."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import column, select, table
from sqlalchemy.exc import SQLAlchemyError

from tidewheel.ledger.migrate import VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy import Engine
    from sqlalchemy.exc import DBAPIError

MIGRATIONS = Path(__file__).with_name("migrations") / "versions"
LACKING = ("no such table", "no such column", "has no column named")
"""What SQLite says where PostgreSQL raises an error of a kind of its own."""
REQUIRED = ("not null constraint", "not-null constraint")


@cache
def own_form() -> str:
    """The form that this code needs: the number of its newest migration."""
    return max(file.name.partition("_")[0] for file in MIGRATIONS.glob("[0-9]*.py"))


def is_lacking(error: DBAPIError) -> bool:
    """Whether SQLite lacks a table or a column."""
    return any(words in str(error.orig) for words in LACKING)


def is_newer(error: DBAPIError, engine: Engine) -> bool:
    """Whether a row lacks a value that only a newer version of the code writes."""
    if not any(words in str(error.orig).lower() for words in REQUIRED):
        return False
    form = _form_of(engine)
    return form is not None and form > own_form()


def tables_sentence(error: DBAPIError, engine: Engine) -> str:
    """What is wrong with a ledger's tables, and what to do.

    Args:
        error: what the database said.
        engine: reaches it.
    """
    said, form, own = str(error.orig).partition("\n")[0], _form_of(engine), own_form()
    if form is not None and form > own:
        return (
            f"has tables of form {form}, which a newer version of Tidewheel has changed; this version has form {own}: "
            f"{said}; install the newer version here too"
        )
    behind = f"has not the tables of this version (it has form {form or 'none'}, this version needs {own})"
    state = "has not the tables of this version" if form == own else behind
    return (
        f"{state}: {said}; start the platform again, which brings them up to date (`tidewheel down`, then "
        "`tidewheel up`)"
    )


def _form_of(engine: Engine) -> str | None:
    """The form of the tables there; None where there are none."""
    try:
        with engine.connect() as connection:
            form = connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))
    except SQLAlchemyError:
        return None
    return None if form is None else str(form)
