"""A pipeline is given up: what callers get, what goes, what stays, and that it can be resumed anywhere."""

from __future__ import annotations

import httpx
import pytest

from infra.local import LocalBackend
from tests.infra.local.retirement.conftest import DAY, Shop, killed_after
from tidewheel.cli.left_behind import left_behind
from tidewheel.errors import UsageError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.release.stages import Colour
from tidewheel.retirement.mlflow_models import MlflowModels
from tidewheel.retirement.retire import Retirement
from tidewheel.retirement.traces import traces

pytestmark = [pytest.mark.platform]


def test_a_retired_pipeline_tells_its_callers_so_and_keeps_data_models_and_verdicts(shop: Shop) -> None:
    name, ledger = shop.name, shop.place.releases.ledger
    shop.serve()
    assert shop.ask(name).status_code == 200
    shop.retirement.retire()

    for path in ("", "/", "/predict", "/readyz"):
        answer = httpx.get(f"{shop.settings.endpoint_url}/{name}{path}", timeout=5)
        assert (answer.status_code, answer.headers["content-type"]) == (410, "application/json")
        assert f"pipeline {name} was retired on" in answer.json()["error"]
    assert [shop.place.backend.version(colour) for colour in Colour] == [None, None]
    assert shop.place.releases.endpoint(name) is None
    assert ledger.open_request(name) is None
    assert not list((shop.settings.pipelines_folder).glob(f"{name}.*"))
    assert (shop.settings.home / "retired" / name / f"{name}.yaml").exists()
    assert Lake.open(name, shop.settings).partitions("features") == [DAY]
    assert MlflowModels(shop.settings).versions(name) == ["1", "2"]
    assert [row.kind for row in ledger.verdicts(name)] == ["gate"]

    shop.told.clear()
    shop.retirement.retire()
    assert [said for said in shop.told if "runs that are under way" not in said] == [], "nothing is left to do"

    shop.place.executor.run(shop.place.executor.begin("1", "again").number)
    assert shop.ask(name).status_code == 200, "a pipeline of that name may come back"


def test_what_is_asked_to_go_goes_and_the_counts_are_named_before(shop: Shop) -> None:
    found = traces(shop.settings, shop.name, LocalBackend(shop.settings, shop.name))
    assert (found.live, found.days, found.versions) == (None, 1, ("1", "2"))
    assert found.lake_bytes > 500
    shop.retirement.retire(delete_data=True, delete_models=True)
    shop.retirement.retire(delete_data=True, delete_models=True)
    assert Lake.open(shop.name, shop.settings).store.list_folder(shop.name) == []
    assert not MlflowModels(shop.settings).has_model(shop.name)
    left = traces(shop.settings, shop.name, LocalBackend(shop.settings, shop.name))
    assert (left.files, left.lake_bytes, left.versions, left.any) == ((), 0, (), True)


def test_while_a_release_is_under_way_nothing_is_retired(shop: Shop) -> None:
    with (
        Releases(Ledger(shop.settings.require("database_url"))).exclusively(shop.name, 0),
        pytest.raises(UsageError, match=f"a release of {shop.name} is under way, nothing was changed"),
    ):
        shop.retirement.retire(delete_data=True)
    assert Lake.open(shop.name, shop.settings).partitions("features") == [DAY]
    assert (shop.settings.pipelines_folder / f"{shop.name}.yaml").exists()


def test_a_release_that_was_left_behind_is_closed(shop: Shop) -> None:
    shop.serve()
    begun = shop.place.executor.begin("2", "killed")
    shop.retirement.retire()
    assert shop.place.releases.get(begun.number).status == "superseded"


@pytest.mark.parametrize("step", ["remove_declaration", "withdraw"])
def test_a_retirement_that_was_killed_after_any_step_goes_on(
    shop: Shop, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.serve()
    with killed_after(Retirement, step, monkeypatch):
        shop.retirement.retire()
    shop.retirement.retire()
    assert shop.ask(shop.name).status_code == 410
    assert shop.place.releases.endpoint(shop.name) is None
    assert shop.place.releases.ledger.open_request(shop.name) is None


def test_a_pipeline_whose_file_was_deleted_is_named_with_what_to_run(shop: Shop) -> None:
    shop.serve()
    assert not [said for said in left_behind(shop.settings) if shop.name in said]
    for file in shop.settings.pipelines_folder.glob(f"{shop.name}.*"):
        file.unlink()
    assert [said for said in left_behind(shop.settings) if f"run `tidewheel retire {shop.name}`" in said]
    shop.retirement.retire()
    assert not [said for said in left_behind(shop.settings) if shop.name in said]
