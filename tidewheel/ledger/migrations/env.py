"""How Alembic reaches the ledger: `migrate(url)` hands the address over."""

from alembic import context
from sqlalchemy import create_engine

from tidewheel.ledger.migrate import VERSION_TABLE
from tidewheel.ledger.tables import Table

engine = create_engine(context.config.attributes["url"])
with engine.connect() as connection:
    context.configure(connection=connection, target_metadata=Table.metadata, version_table=VERSION_TABLE)
    with context.begin_transaction():
        context.run_migrations()
engine.dispose()
