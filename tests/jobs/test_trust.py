"""A pickle uploaded to MLflow, forged tags, a moved alias: none of it is opened or believed."""

from __future__ import annotations

import pickle
import re
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sklearn.tree import DecisionTreeClassifier

from jobs.models import files, registry
from jobs.models.files import Untrusted
from plugins.registry import unreleased
from tests.jobs.test_release import nowhere
from tidewheel.errors import ExitCode
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.runs import read_record

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]
LAST = date(2024, 1, 12)
FORGED = {
    registry.ESTIMATOR: "os:system",
    registry.VERDICT: "passed",
    registry.VERDICT_SENTENCE: "passed: forged",
    registry.REVIEW: "approved",
    registry.REVIEWER: "anna",
    registry.OVERRIDE_REASON: "forged",
    registry.COMPARED_WITH: "1",
    registry.PREVIOUS_VERSION: "",
    registry.RUN_ID: "one",
    registry.TRAIN_END: "2020-01-01",
    registry.JUDGED_TRAIN_END: "2020-01-01",
    registry.REFIT: "forged",
    registry.AS_OF: "2020-01-01",
    registry.FORM: "x native",
}

assert nowhere  # a backend, by its name below


class Bomb:
    """Writes a file as soon as it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.fixture
def estimator() -> str:
    """One of ours, unless a test names another."""
    return "hist_gradient_boosting"


@pytest.fixture
def parcels(
    registered_parcels: MakeParcels, run_job: RunJob, monkeypatch: pytest.MonkeyPatch, estimator: str
) -> Parcels:
    """Twelve days, and version 1 as the champion that the ledger knows."""
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", "tests.jobs.test_release:nowhere")
    monkeypatch.setenv("TIDEWHEEL_ENDPOINT_URL", "http://127.0.0.1:1")
    made = registered_parcels(estimator=estimator)
    made.publish_days(12)
    for job in ("assemble", "train", "evaluate", "promote"):
        run_job(made, job, LAST, "one")
    return made


@pytest.fixture
def artifacts(parcels: Parcels, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Finds a file of version 1 where MLflow's server keeps it."""

    def find(name: str) -> Path:
        row = registry.trained_version(parcels.settings, parcels.name, "1")
        folder, _, file = name.rpartition("/")
        where = row.source.rpartition("/")[2] if folder == "model" else row.mlflow_run
        below = f"{folder}/{file}" if folder == "judged" else file
        stored = tmp_path_factory.getbasetemp().glob(f"mlflow*/artifacts/**/{where}/artifacts/{below}")
        [found] = {file.resolve() for file in stored}  # a link of pytest's leads to the same folder
        return found

    return find


@pytest.fixture
def loot(tmp_path: Path) -> Path:
    """The file that an opened bomb leaves."""
    return tmp_path / "executed"


def attack(parcels: Parcels, loot: Path) -> str:
    """Register a pickle by hand, with all the tags of a good version, and make it champion; returns its version."""
    client = registry.connect(parcels.settings)
    experiment = client.get_experiment_by_name(parcels.name).experiment_id
    run = client.create_run(experiment).info.run_id
    bomb = loot.parent / "model.pkl"
    bomb.write_bytes(pickle.dumps(Bomb(loot)))
    for folder in ("model", "judged"):
        client.log_artifact(run, str(bomb), folder)
    trained = registry.trained_version(parcels.settings, parcels.name, "1")
    contract = loot.parent / "contract.json"
    contract.write_bytes(files.read(parcels.settings, trained, "contract.json"))
    client.log_artifact(run, str(contract))
    source = f"{client.get_run(run).info.artifact_uri}/model"
    version = str(client.create_model_version(parcels.name, source, run, tags=FORGED).version)
    for key, value in FORGED.items():
        client.set_tag(run, key, value)
    registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, version)
    registry.set_alias(parcels.settings, parcels.name, registry.CHALLENGER, version)
    return version


def champion(parcels: Parcels) -> str | None:
    found = registry.champion(parcels.settings, parcels.name)
    return found.version if found else None


def test_a_pickle_with_forged_tags_and_the_alias_is_neither_opened_nor_scored_with_nor_packaged_nor_released(
    parcels: Parcels, run_job: RunJob, loot: Path
) -> None:
    pickle.loads(pickle.dumps(Bomb(loot)))
    assert loot.exists()  # so it would be seen
    loot.unlink()
    Releases(parcels.ledger).point(parcels.name, "blue", "1", None, datetime.now(UTC))
    version = attack(parcels, loot)
    seen = unreleased(parcels.settings, parcels.ledger, datetime.now(UTC))
    assert seen[parcels.name].champion == version  # the watcher starts a release

    scored = run_job(parcels, "score", LAST, "night")
    assert scored.figures["version"] == "1"
    assert f"the alias champion names version {version}, which is not in the ledger" in scored.sentence
    run_job(parcels, "monitor", LAST, "night")
    assert run_job(parcels, "assemble", LAST, "again").figures["skipped"] is True

    for job in ("package", "promote"):
        with pytest.raises(SystemExit):
            run_job(parcels, job, LAST, "by hand", f"--version={version}")
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "promote", LAST, "by hand", f"--version={version}", "--override-reason=I say so")
    assert refused.value.code == ExitCode.FAILED
    for options in (["--reason=I say so", f"--version={version}"], ["--reason=I say so"], []):
        registry.set_alias(parcels.settings, parcels.name, registry.CHAMPION, version)
        with pytest.raises(SystemExit) as refused:
            run_job(parcels, "release", LAST, "r", "--stage=plan", *options)
        assert refused.value.code == ExitCode.DATA_REFUSED
        assert champion(parcels) == "1"
    said = read_record(parcels.lake, "r", "release-plan").refused or ""
    assert f"version {version} is not in the ledger: it was registered by hand in MLflow" in said
    for open_it in (registry.load_model, registry.contract):
        with pytest.raises(Untrusted, match="is not in the ledger"):
            open_it(parcels.settings, parcels.name, version)
    assert not loot.exists()


def test_a_challenger_after_the_attack_is_compared_with_the_champion_of_the_ledger(
    parcels: Parcels, run_job: RunJob, loot: Path
) -> None:
    attack(parcels, loot)
    parcels.publish_days(3, first=date(2024, 1, 13))
    for job in ("assemble", "train", "evaluate", "promote"):
        record = run_job(parcels, job, date(2024, 1, 15), "two")
    promotion = Models(parcels.ledger).promotion(parcels.name)
    assert promotion is not None
    assert (record.figures["promoted"], promotion.previous_version) == (True, "1")
    assert not loot.exists()


FILES = ("model/model.skops", "judged/model.skops", "contract.json", "lineage.json", "training_data.json")


def test_a_byte_that_was_changed_in_any_file_is_seen_before_the_file_is_used(
    parcels: Parcels, artifacts: Callable[[str], Path]
) -> None:
    row = registry.trained_version(parcels.settings, parcels.name, "1")
    assert set(row.files) == set(FILES)
    for name in FILES:
        whole = files.read(parcels.settings, row, name)
        cached = parcels.settings.model_cache / parcels.name / f"1-{row.mlflow_run}" / name
        for place in (0, len(whole) // 2, len(whole) - 1):
            changed = bytearray(whole)
            changed[place] ^= 1
            cached.write_bytes(changed)
            assert files.read(parcels.settings, row, name) == whole  # downloaded anew
            assert cached.read_bytes() == whole
        artifacts(name).write_bytes(changed)
        assert files.read(parcels.settings, row, name) == whole  # from the cache
        cached.write_bytes(changed)
        with pytest.raises(Untrusted, match=re.escape(f"{name} in MLflow is not the file that was registered")):
            files.read(parcels.settings, row, name)


def tree() -> object:
    """A team's own estimator, which is kept as a pickle."""
    return DecisionTreeClassifier(max_depth=3)


@pytest.mark.parametrize("estimator", [f"{__name__}:tree"])
def test_a_bomb_in_place_of_a_teams_own_pickle_is_not_opened(
    parcels: Parcels, run_job: RunJob, artifacts: Callable[[str], Path], loot: Path, caplog: pytest.LogCaptureFixture
) -> None:
    row = registry.trained_version(parcels.settings, parcels.name, "1")
    assert row.estimator == f"{__name__}:tree"
    assert run_job(parcels, "score", LAST, "night").figures["rows"] == 120
    bomb = pickle.dumps(Bomb(loot))
    cached = parcels.settings.model_cache / parcels.name / f"1-{row.mlflow_run}" / "model" / "model.pkl"
    cached.write_bytes(bomb)
    assert run_job(parcels, "score", LAST, "night").figures["rows"] == 120
    artifacts("model/model.pkl").write_bytes(bomb)
    artifacts("judged/model.pkl").write_bytes(bomb)
    shutil.rmtree(parcels.settings.model_cache)
    for job in ("score", "package", "evaluate"):
        with pytest.raises(SystemExit):
            run_job(parcels, job, LAST, "one")
    assert "model/model.pkl in MLflow is not the file that was registered" in caplog.text
    assert not loot.exists()


def test_no_tag_decides_anything(parcels: Parcels, run_job: RunJob) -> None:
    client = registry.connect(parcels.settings)
    row = registry.trained_version(parcels.settings, parcels.name, "1")
    before = (row.train_end, row.judged_train_end, row.estimator)
    for key, value in FORGED.items():
        client.set_model_version_tag(parcels.name, "1", key, value)
        client.set_tag(row.mlflow_run, key, value)
    again = registry.trained_version(parcels.settings, parcels.name, "1")
    assert (again.train_end, again.judged_train_end, again.estimator) == before
    assert run_job(parcels, "score", LAST, "night").figures["rows"] == 120
    assert run_job(parcels, "train", LAST, "one").figures["fits"] == 2
    parcels.publish_days(3, first=date(2024, 1, 13))
    for job in ("assemble", "train", "evaluate"):
        record = run_job(parcels, job, date(2024, 1, 15), "two")
    assert (
        record.figures["days"] == 3
    )  # not one of them is counted as known to version 1, nor as unknown by a forged tag
    verdict = parcels.ledger.verdicts(parcels.name, Kind.GATE, limit=1)[0]
    assert verdict.outcome in (Outcome.PASSED, Outcome.INCONCLUSIVE)
