"""Which champions do not answer: what a real registry and the ledger say together."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from jobs.models import registry
from plugins.registry import ABANDONED, Unreleased, registered_aliases, unreleased
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases, Status

if TYPE_CHECKING:
    from tests.parcels import Parcels

NOW = datetime(2024, 1, 13, tzinfo=UTC)


@pytest.fixture
def parcels(registered_parcels: Callable[..., Parcels]) -> Parcels:
    """A pipeline with three registered versions."""
    parcels = registered_parcels()
    client = registry.connect(parcels.settings)
    client.create_registered_model(parcels.name)
    for _ in range(3):
        run = client.create_run("0").info.run_id
        client.create_model_version(parcels.name, f"runs:/{run}/model", run)
    return parcels


def seen(parcels: Parcels, astray: Mapping[str, str] | None = None) -> Unreleased | None:
    return unreleased(parcels.settings, parcels.ledger, NOW, astray).get(parcels.name)


def test_a_moved_alias_is_seen_until_that_version_answers_or_is_on_its_way(parcels: Parcels) -> None:
    releases = Releases(parcels.ledger)
    assert seen(parcels) is None  # nobody is champion
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, "2")
    assert seen(parcels) == Unreleased("2", None)
    row = releases.begin(parcels.name, "2", "blue", {}, "run", NOW)
    assert seen(parcels) is None
    releases.point(parcels.name, "blue", "2", None, NOW)
    releases.end(row.id, Status.DONE, "", NOW)
    assert seen(parcels) is None
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, "1")
    assert seen(parcels) == Unreleased("1", "2")
    releases.begin(parcels.name, "3", "green", {}, "run", NOW)  # another than the one that is wanted now
    assert seen(parcels) == Unreleased("1", "2")


def test_a_champion_whose_requests_go_astray_is_seen_unless_its_release_is_under_way(parcels: Parcels) -> None:
    releases, astray = Releases(parcels.ledger), {parcels.name: "green"}
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, "2")
    releases.point(parcels.name, "blue", "2", None, NOW)
    assert seen(parcels, astray) == Unreleased("2", "2", astray="green")
    releases.begin(parcels.name, "2", "green", {}, "run", NOW)
    assert seen(parcels, astray) is None


@pytest.fixture
def shared_ledger(parcels: Parcels, database_url: str) -> Parcels:
    """The ledger in PostgreSQL, whose locks other processes see."""
    return replace(parcels, ledger=Ledger(database_url))


def test_a_release_that_nobody_works_on_any_more_is_seen_after_a_while(
    shared_ledger: Parcels, database_url: str
) -> None:
    parcels, releases = shared_ledger, Releases(shared_ledger.ledger)
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, "2")
    releases.point(parcels.name, "blue", "2", None, NOW)
    row = releases.begin(parcels.name, "2", "blue", {}, "run", NOW - ABANDONED / 2)
    assert seen(parcels) is None
    releases.end(row.id, Status.FAILED, "", NOW)
    row = releases.begin(parcels.name, "2", "blue", {}, "run", NOW - ABANDONED * 2)
    with Releases(Ledger(database_url)).exclusively(parcels.name, 0):
        assert seen(parcels) is None  # it takes long, and somebody works on it
    assert seen(parcels) == Unreleased("2", "2", row.id)


def test_the_aliases_of_many_models_are_read_page_by_page(parcels: Parcels, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.connect(parcels.settings).create_registered_model(f"{parcels.name}_other")
    registry.set_alias(parcels.settings, parcels.name, registry.CHALLENGER, "3")
    monkeypatch.setattr("plugins.registry.PAGE", 1)
    found = registered_aliases(parcels.settings)
    assert found[parcels.name] == {"challenger": "3"}
    assert found[f"{parcels.name}_other"] == {}
