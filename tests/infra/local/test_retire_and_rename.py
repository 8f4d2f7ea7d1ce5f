"""A pipeline is given up or renamed: what callers get, what goes, what stays, and that both can be resumed anywhere."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pyarrow as pa
import pytest

from infra.local import LocalBackend
from tests.infra.local.conftest import House, Place
from tests.infra.local.traffic import Traffic as Callers
from tests.mlflow_server import mlflow_url  # noqa: F401  a fixture
from tests.pipelines import PIPELINE_FILE
from tidewheel.cli.left_behind import left_behind
from tidewheel.errors import LakeError, TidewheelError, UsageError
from tidewheel.lake import Lake, Store
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.release.executor import Executor
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic
from tidewheel.retirement.mlflow_models import MlflowModels
from tidewheel.retirement.rename import Rename, unfinished
from tidewheel.retirement.retire import Retirement
from tidewheel.retirement.traces import traces
from tidewheel.runs import JobRecord, read_record, write_record
from tidewheel.settings import Settings

pytestmark = [pytest.mark.platform]

DAY = "2026-11-21"
DAG_FILE = '"""The Airflow DAGs of the pipeline that `{name}.yaml` declares."""\n'


@dataclass(frozen=True)
class Shop:
    """A pipeline that has everything: files, code, suites, data, a ledger, models and an endpoint."""

    place: Place
    settings: Settings
    told: list[str]

    @property
    def name(self) -> str:
        return self.place.pipeline.name

    def serve(self) -> None:
        """Put version 1 behind the endpoint."""
        self.place.executor.run(self.place.executor.begin("1", "run").number)

    @property
    def retirement(self) -> Retirement:
        """As a new process would make it."""
        releases = Releases(Ledger(self.settings.require("database_url")))
        return Retirement(self.settings, self.name, LocalBackend(self.settings, self.name), releases, self.told.append)

    def rename(self, new: str) -> Rename:
        """As a new process would make it; the release builds with the Bentos that are there."""

        def release() -> None:
            pipeline = self.place.pipeline.model_copy(update={"name": new})
            ledger = Releases(Ledger(self.settings.require("database_url")))
            executor = Executor(pipeline, LocalBackend(self.settings, new), ledger, self.place.build)
            version = MlflowModels(self.settings).champion(new)
            assert version is not None
            executor.run(executor.begin(version, "rename").number)

        return Rename(self.settings, self.name, new, self.retirement, release)

    def ask(self, name: str) -> httpx.Response:
        """What callers get."""
        row = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}
        return httpx.post(f"{self.settings.endpoint_url}/{name}/predict", json={"rows": [row]}, timeout=10)


@pytest.fixture
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, Any]:
    """Settings of the shop's lake: a folder, or for tests that say so a bucket."""
    if getattr(request, "param", "folder") == "folder":
        return {"lake_url": f"file://{tmp_path}/lake"}
    options, bucket = request.getfixturevalue("s3_options"), f"lake-{uuid4().hex}"
    Store(f"s3://{bucket}", options).fs.mkdir(bucket)
    return {"lake_url": f"s3://{bucket}/root", "lake_options": options}


@pytest.fixture
def shop(
    place: Place,
    house: House,
    tmp_path: Path,
    mlflow_url: str,  # noqa: F811
    lake: dict[str, Any],
) -> Iterator[Shop]:
    name = place.pipeline.name
    for folder in ("dags", f"expectations/{name}", f"jobs/pipelines/{name}"):
        (tmp_path / folder).mkdir(parents=True)
    declared = PIPELINE_FILE.replace("name: orders", f"name: {name}")
    (tmp_path / f"dags/{name}.yaml").write_text(declared.replace("pipelines.orders", f"pipelines.{name}"))
    (tmp_path / f"dags/{name}.py").write_text(DAG_FILE.format(name=name))
    (tmp_path / f"expectations/{name}/raw.json").write_text("{}")
    (tmp_path / f"jobs/pipelines/{name}/transform.py").write_text(f"from jobs.pipelines.{name}.parts import features\n")
    settings = Settings(
        home=house.layout.home,
        project=tmp_path,
        **lake,
        endpoint_url=house.endpoint_url,
        envoy_admin_url=house.admin_url,
        database_url=place.releases.ledger.engine.url.render_as_string(hide_password=False),
        mlflow_url=mlflow_url,
    )
    data = Lake.open(name, settings)
    data.publish(data.write_table("features", DAY, pa.table({"id": [1, 2]}), {}, "code"))
    links = {"Report": f"{name}/reports/{DAY}/raw.html"}
    write_record(data, JobRecord(pipeline=name, job="land", run_id="r", partition=DAY, links=links))
    ledger = place.releases.ledger
    ledger.record(name, DAY, "r", Verdict(Kind.GATE, Outcome.PASSED, "good"), datetime.now(UTC))
    ledger.request_training(name, "because", datetime.now(UTC))
    register(settings, name)
    yield Shop(place, settings, [])
    for left in (name, f"{name}_2"):
        backend = LocalBackend(settings, left)
        backend.route(Traffic())
        for colour in Colour:
            backend.stop(colour)
        shutil.rmtree(settings.home / "renames" / left, ignore_errors=True)
        MlflowModels(settings).delete(left)


def register(settings: Settings, name: str) -> None:
    """Two versions, of which the first is champion, and an experiment."""

    def post(path: str, **fields: str) -> None:
        httpx.post(f"{settings.mlflow_url}/api/2.0/mlflow/{path}", json=fields, timeout=30).raise_for_status()

    post("experiments/create", name=name)
    post("registered-models/create", name=name)
    for _ in range(2):
        post("model-versions/create", name=name, source=f"s3://models/{uuid4().hex}")
    post("registered-models/alias", name=name, alias="champion", version="1")


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
    assert f"was renamed on {datetime.now(UTC).date()}: ask /{new}/predict" in moved.json()["error"]
    gone = httpx.get(f"{settings.endpoint_url}/{old}/readyz", timeout=5)
    assert gone.status_code == 410


def test_a_renamed_pipeline_has_its_name_everywhere_and_its_callers_are_answered_at_every_moment(shop: Shop) -> None:
    new = f"{shop.name}_2"
    shop.serve()
    log = shop.settings.request_log_folder
    (log / shop.name / DAY).mkdir(parents=True, exist_ok=True)
    (log / shop.name / DAY / "kept.arrows").write_bytes(b"logged")
    with Callers(shop.place, kept=1, fresh=1) as callers:
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
    shop.rename(new).run()
    lake = Lake.open(new, shop.settings)
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


class killed_after:
    """A process that ends, for whatever reason, as soon as it has done a step."""

    def __init__(self, kind: object, step: str, patch: pytest.MonkeyPatch) -> None:
        self._kind, self._step, self._patch = kind, step, patch

    def __enter__(self) -> None:
        done = getattr(self._kind, self._step)

        def end(*arguments: object) -> None:
            done(*arguments)
            raise KeyboardInterrupt(self._step)

        self._patch.setattr(self._kind, self._step, end)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> bool:
        self._patch.undo()
        assert kind is KeyboardInterrupt, f"{self._step} was not reached"
        return True
