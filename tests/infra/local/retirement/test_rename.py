"""A pipeline is renamed: callers are answered at every moment, and it can be resumed anywhere."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest

from tests.infra.local.retirement.conftest import DAG_FILE, DAY, Shop, killed_after, register
from tests.infra.local.traffic import OngoingRequests
from tidewheel.cli.left_behind import left_behind
from tidewheel.errors import LakeError, TidewheelError, UsageError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.retirement.mlflow_models import MlflowModels
from tidewheel.retirement.rename import Rename, unfinished
from tidewheel.runs import read_record

pytestmark = [pytest.mark.platform]


def renamed(shop: Shop, new: str) -> None:
    """See that everything of the pipeline has its new name."""
    old, settings, ledger = shop.name, shop.settings, Ledger(shop.settings.require("database_url"))
    assert shop.ask(new).json()["model_version"] == "1"
    assert [file.name for file in sorted(settings.pipelines_folder.iterdir())] == [f"{new}.py", f"{new}.yaml"]
    text = (settings.pipelines_folder / f"{new}.yaml").read_text()
    assert f"name: {new}\n" in text
    assert f"jobs.pipelines.{new}.transform:features" in text
    assert (settings.pipelines_folder / f"{new}.py").read_text() == DAG_FILE.format(name=new)
    assert (settings.expectations_folder / new / "raw.json").exists()
    code = settings.project / "jobs" / "pipelines" / new / "transform.py"
    assert code.read_text() == f"from jobs.pipelines.{new}.parts import features\n"
    lake = Lake.open(new, settings)
    assert lake.read(lake.need("features", DAY)).num_rows == 2
    assert read_record(lake, "r", "land").links == {"Report": f"{new}/reports/{DAY}/raw.html"}
    with pytest.raises(LakeError):
        Lake.open(old, settings).need("features", DAY)
    assert [row.kind for row in ledger.verdicts(new)] == ["gate"]
    assert ledger.verdicts(old) == []
    assert ledger.open_request(new) is not None
    assert MlflowModels(settings).versions(new) == ["1", "2"]
    assert MlflowModels(settings).champion(new) == "1"
    assert not MlflowModels(settings).has_model(old)
    assert Releases(ledger).endpoint(old) is None
    assert unfinished(settings) == {}
    moved = shop.ask(old)
    assert (moved.status_code, moved.headers["location"]) == (308, f"/{new}/predict")
    assert f"was renamed on {datetime.now(UTC).date()}: send requests to /{new}/predict" in moved.json()["error"]
    gone = httpx.get(f"{settings.endpoint_url}/{old}/readyz", timeout=5)
    assert gone.status_code == 410


def test_a_renamed_pipeline_has_its_name_everywhere_and_its_callers_are_answered_at_every_moment(shop: Shop) -> None:
    new = f"{shop.name}_2"
    shop.serve()
    log = shop.settings.request_log_folder
    (log / shop.name / DAY).mkdir(parents=True, exist_ok=True)
    (log / shop.name / DAY / "kept.arrows").write_bytes(b"logged")
    with OngoingRequests(shop.place, kept=1, fresh=1) as callers:
        shop.rename(new).run()
    assert [failure for failure in callers.failures if not failure.startswith("308")] == []
    renamed(shop, new)
    assert (log / new / DAY / "kept.arrows").read_bytes() == b"logged"


@pytest.mark.parametrize("step", ["_leave", "_rename_lake", "_serve"])
def test_a_rename_that_was_killed_after_any_step_answers_callers_and_goes_on(
    shop: Shop, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = f"{shop.name}_2"
    shop.serve()
    with killed_after(Rename, step, monkeypatch):
        shop.rename(new).run()
    assert shop.ask(shop.name).status_code in (200, 308)
    assert any(f"run `tidewheel rename {shop.name} {new}` again" in said for said in left_behind(shop.settings))
    shop.rename(new).run()
    renamed(shop, new)


def test_a_rename_that_cannot_release_leaves_the_old_path_as_it_is(shop: Shop) -> None:
    new = f"{shop.name}_2"
    shop.serve()

    def fail() -> None:
        raise TidewheelError("no memory")

    with pytest.raises(TidewheelError, match="no memory"):
        replace(shop.rename(new), release=fail).run()
    assert shop.ask(shop.name).json()["model_version"] == "1"
    shop.rename(new).run()
    renamed(shop, new)


@pytest.mark.parametrize("lake", ["folder", "s3"], indirect=True)
def test_a_pipeline_that_never_answered_is_renamed_without_a_release_wherever_it_is_killed(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = f"{shop.name}_2"
    for step in ("_begin", "_leave", "_rename_folder", "_rename_code", "_rename_lake", "_declare", "_move_requests"):
        with killed_after(Rename, step, monkeypatch):
            shop.rename(new).run()
        assert unfinished(shop.settings) == {shop.name: new}
        if step == "_rename_lake":  # a pod of the old name still ships
            Lake.open(shop.name, shop.settings).store.replace(f"{shop.name}/requests/_inbox/{DAY}/late.arrows", b"log")
    shop.rename(new).run()
    lake = Lake.open(new, shop.settings)
    assert lake.store.read(f"{new}/requests/_inbox/{DAY}/late.arrows") == b"log"
    assert lake.read(lake.need("features", DAY)).num_rows == 2
    assert read_record(lake, "r", "land").links == {"Report": f"{new}/reports/{DAY}/raw.html"}
    assert lake.store.find(shop.name, "") == []
    assert MlflowModels(shop.settings).champion(new) == "1"
    assert shop.ask(shop.name).status_code == 404


@pytest.mark.parametrize("lake", ["s3"], indirect=True)
def test_a_lake_on_s3_that_was_renamed_in_part_is_renamed_to_its_end(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    new, store = f"{shop.name}_2", Lake.open(shop.name, shop.settings).store
    before = store.find(shop.name, "")
    with killed_after(store.fs, "copy", monkeypatch):
        shop.rename(new).run()
    assert (store.find(shop.name, ""), len(store.find(new, ""))) == (before, 1)
    shop.rename(new).run()
    assert store.find(shop.name, "") == []
    assert store.find(new, "") == [path.replace(shop.name, new, 1) for path in before]


@pytest.mark.parametrize("taken", ["file", "suites", "lake", "ledger", "model", "no name", "its own"])
def test_a_name_that_is_taken_is_refused_before_anything_is_changed(shop: Shop, taken: str) -> None:
    settings, new = shop.settings, f"{shop.name}_2"
    match taken:
        case "file":
            (settings.pipelines_folder / f"{new}.yaml").write_text("name: x\n")
        case "suites":
            (settings.expectations_folder / new).mkdir()
        case "lake":
            Lake.open(new, settings).store.replace(f"{new}/runs/r/land.json", b"{}")
        case "ledger":
            shop.place.releases.ledger.request_training(new, "because", datetime.now(UTC))
        case "model":
            register(settings, new)
        case "no name":
            new = "Not A Name"
        case "its own":
            new = shop.name
    with pytest.raises(UsageError, match=r"is taken: there is|is no name for a pipeline|has that name already"):
        shop.rename(new).run()
    assert unfinished(settings) == {}
    assert (settings.pipelines_folder / f"{shop.name}.yaml").exists()


def test_code_that_another_pipeline_uses_keeps_its_name(shop: Shop) -> None:
    new = f"{shop.name}_2"
    other = shop.settings.pipelines_folder / "other.yaml"
    other.write_text(f"transform: jobs.pipelines.{shop.name}.transform:features\n")
    shop.rename(new).run()
    text = (shop.settings.pipelines_folder / f"{new}.yaml").read_text()
    assert f"transform: jobs.pipelines.{shop.name}.transform:features" in text
    assert (shop.settings.project / "jobs" / "pipelines" / shop.name / "transform.py").exists()
