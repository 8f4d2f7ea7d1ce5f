"""`tidewheel gc` removes what can be made again and nobody uses, and nothing that somebody needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.embedded.layout import Layout
from infra.local.endpoints import Endpoints, Place
from tidewheel.actor import operating_system_user
from tidewheel.cli.app import app
from tidewheel.errors import PlatformError
from tidewheel.home_cleanup import mark_used, remove, unused_models, unused_scratch
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.audit import Act, entries
from tidewheel.ledger.releases import Releases
from tidewheel.ledger.verification import verify
from tidewheel.release import Colour
from tidewheel.settings import Settings, load_settings

NOW = datetime.now(UTC)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation with an empty ledger."""
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", f"sqlite:///{tmp_path}/ledger.db")
    migrate(f"sqlite:///{tmp_path}/ledger.db")
    return load_settings()


def leave(folder: Path, days: float, file: str = "content") -> Path:
    """A folder with a file of 1,000 bytes, both last touched so many days ago."""
    folder.mkdir(parents=True)
    (folder / file).write_bytes(b"x" * 1000)
    at = time.time() - days * 86400
    for path in (folder / file, folder):
        os.utime(path, (at, at))
    return folder


def gc(*options: str) -> str:
    done = CliRunner().invoke(app, ["gc", *options])
    assert done.exit_code == 0, done.output
    return done.output


def test_a_dry_run_names_what_nobody_has_used_and_the_real_one_removes_it(home: Settings) -> None:
    old, young = (leave(home.model_cache / "orders" / f"{days}-run", days) for days in (31, 29))
    fit = leave(home.replay_cache / "orders" / "fits", 31, "key.joblib") / "key.joblib"
    told = gc("--dry-run")
    assert "cache/models/orders/31-run  1.0 kB" in told
    assert "downloaded models, unused for 30 days: would remove 1 (1.0 kB)" in told
    assert f"{home.home}: would remove 2.0 kB; what is needed again is made again" in told
    assert old.exists()
    assert fit.exists()

    assert "results of replays, unused for 30 days: removed 1 (1.0 kB)" in gc()
    assert not old.exists()
    assert not fit.exists()
    assert young.exists()
    assert "removed 0 bytes" in gc()
    assert "downloaded models, unused for 28 days: removed 1" in gc("--keep-days", "28")


def test_what_is_removed_is_in_the_audit_log_and_a_dry_run_is_not(home: Settings) -> None:
    leave(home.model_cache / "orders" / "31-run", 31)
    leave(home.bento_folder / "bentos" / "orders" / "1-0123456789ab", 90)
    gc("--dry-run")
    ledger = Ledger.open(home)
    before = [entry.kind for entry in entries(ledger)]
    assert before == [Act.CHAIN]

    gc()
    _, model, bento = entries(ledger)
    assert (model.kind, model.pipeline, model.outcome) == (Act.REMOVAL, "", "removed")
    assert model.sentence == "1 file or folder: cache/models/orders/31-run"
    assert model.actor == operating_system_user()
    assert (bento.pipeline, bento.subject) == ("orders", "Bentos of orders")
    assert verify(ledger).findings == ()
    assert "removed 0" in gc()
    assert len(list(entries(ledger))) == 3, "nothing is noted where nothing is removed"


def test_what_is_used_again_between_the_look_and_the_removal_stays(home: Settings) -> None:
    model = leave(home.model_cache / "orders" / "1-run", 40)
    found = unused_models(home, NOW)
    mark_used(model)
    assert remove(found) == []
    assert (model / "content").exists()
    assert unused_models(home, NOW - timedelta(days=1)) == []


def test_what_a_killed_removal_left_goes_whatever_its_age(home: Settings) -> None:
    half = leave(home.model_cache / "orders" / ".0123.removed", 0)
    gc()
    assert not half.exists()


def test_bentos_that_answer_or_may_answer_again_stay(home: Settings) -> None:
    built = {n: leave(home.bento_folder / "bentos" / "orders" / f"{n}-0123456789ab", 90) for n in range(1, 8)}
    releases = Releases(Ledger.open(home))
    releases.point("orders", "blue", "5", "4", NOW)
    plan = {"stages": [], "before": None, "previous_version": None, "sentence": ""}
    releases.begin("orders", "6", "green", plan, "run", NOW)
    Layout(home.home).create()
    Endpoints(Layout(home.home)).change("orders", lambda now: now.with_place(Colour.GREEN, Place("3", "hash", (1,))))
    recent = leave(home.bento_folder / "bentos" / "orders" / "1-ba9876543210", 2)

    assert "Bentos of orders: removed 3 (3.0 kB)" in gc()
    assert [n for n, folder in built.items() if folder.exists()] == [3, 4, 5, 6]
    assert recent.exists()


class OtherBackend:
    """Serves version 2 somewhere else, or does not answer."""

    away = False

    def __init__(self, settings: Settings, pipeline: str) -> None:
        self._started = {Colour.GREEN: "2"} if pipeline == "orders" else {}

    def version(self, colour: Colour) -> str | None:
        if self.away:
            raise PlatformError("the API server does not answer")
        return self._started.get(colour)


def test_the_backend_says_which_versions_run_and_where_it_is_away_all_bentos_stay(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    bentos = [leave(home.bento_folder / "bentos" / "orders" / f"{n}-0123456789ab", 90) for n in (1, 2)]
    monkeypatch.setenv("TIDEWHEEL_RELEASE_BACKEND", f"{__name__}:{OtherBackend.__name__}")
    monkeypatch.setattr(OtherBackend, "away", True)
    assert "Bentos of orders: left alone: the API server does not answer" in gc()
    assert [bento.exists() for bento in bentos] == [True, True]

    monkeypatch.setattr(OtherBackend, "away", False)
    assert "Bentos of orders: removed 1" in gc()
    assert [bento.exists() for bento in bentos] == [False, True]


def test_without_a_ledger_all_bentos_stay_and_the_rest_goes(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    bento = leave(home.bento_folder / "bentos" / "orders" / "1-0123456789ab", 90)
    model = leave(home.model_cache / "orders" / "1-run", 90)
    monkeypatch.delenv("TIDEWHEEL_DATABASE_URL")
    told = gc()
    assert "Bentos of orders: left alone: setting TIDEWHEEL_DATABASE_URL is not set" in told
    assert "downloaded models, unused for 30 days: not in the audit log: setting TIDEWHEEL_DATABASE_URL" in told
    assert bento.exists()
    assert not model.exists()


def test_scratch_of_killed_sparks_goes_and_is_as_young_as_its_youngest_file(home: Settings) -> None:
    killed, young = (leave(home.spark_folder / name, 3) for name in ("blockmgr-1", "blockmgr-2"))
    (young / "content").touch()
    os.utime(young, (0, 0))
    assert "scratch of killed Spark jobs: removed 1" in gc()
    assert not killed.exists()
    assert young.exists()


def test_scratch_of_a_spark_that_lives_stays_however_long_it_has_been_quiet(home: Settings) -> None:
    spark = [sys.executable, "-c", "print(flush=True); input()", f"spark.local.dir={home.spark_folder}"]
    in_three_days = NOW + timedelta(days=3)
    with subprocess.Popen(spark, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as living:
        assert living.stdout
        living.stdout.readline()
        folder = leave(home.spark_folder / "blockmgr-1", 0)
        assert unused_scratch(home, in_three_days) == []
        living.communicate(b"\n")
    assert [each.path for each in unused_scratch(home, in_three_days)] == [folder]
