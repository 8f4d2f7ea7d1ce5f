"""Bringing the ledger's tables to the newest form."""

from __future__ import annotations

from pathlib import Path


def migrate(url: str) -> None:
    """Run the migrations that the database at `url` has not seen yet. Safe to run again."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    config.attributes["url"] = url
    command.upgrade(config, "head")
