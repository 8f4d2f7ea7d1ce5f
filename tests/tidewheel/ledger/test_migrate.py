"""The migrations, and that they end where the tables stand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from tidewheel.errors import LedgerError
from tidewheel.ledger import migrate
from tidewheel.ledger.tables import Table


def test_the_migrations_lead_to_the_tables_as_the_code_has_them(database_url: str) -> None:
    engine = create_engine(database_url)
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "ledger_version", "compare_type": True, "compare_server_default": True}
        )
        differences = compare_metadata(context, Table.metadata)
    engine.dispose()

    assert differences == []


def test_migrating_again_changes_nothing(database_url: str) -> None:
    migrate(database_url)
    migrate(database_url)

    engine = create_engine(database_url)
    with engine.connect() as connection:
        assert connection.scalar(text("select count(*) from ledger_version")) == 1
    engine.dispose()


def test_a_database_that_is_not_there_is_named_without_its_password(postgres_url: Callable[[str], str]) -> None:
    url = postgres_url("nowhere")

    with pytest.raises(LedgerError, match='nowhere" does not exist') as caught:
        migrate(url)

    assert url.split(":")[2].split("@")[0] not in str(caught.value)
