"""`tidewheel image build`, with a program in Docker's place that notes its arguments."""

from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.pipelines import PIPELINE_FILE
from tests.version_rows import version_row
from tidewheel.cli.app import app
from tidewheel.errors import PlatformError, ReleaseError, SettingsError, TidewheelError, UsageError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.models import Models
from tidewheel.release.artifact import Artifact, content_hash

SERVING, BUILT = "5e" * 32, "b1" * 32
DOCKER = f"""#!/bin/sh
printf '%s ' "$@" | tr '\\n' ' ' >> "$ENGINE/said"; echo >> "$ENGINE/said"
for last; do :; done
fail() {{ echo "$1" >&2; exit 1; }}
case "$1" in
version) [ ! -e "$ENGINE/away" ] || fail "Cannot connect to the Docker daemon at unix:///var/run/docker.sock." ;;
image) grep "^$last " "$ENGINE/images" | cut -d ' ' -f 2- | grep . || fail "Error: No such image: $last" ;;
pull) fail "pull access denied for $last" ;;
build) cp -r "$last/bento" "$ENGINE/context"; printf 'sha256:{BUILT}' > "$last/iid" ;;
run) cat "$ENGINE/answer"; exit "$(cat "$ENGINE/code")" ;;
tag) echo "$3 sha256:{BUILT} 768000000" >> "$ENGINE/images" ;;
esac
"""


class Engine:
    """What stands for Docker's engine: its images, and what it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.images, self.away, self.answer, self.code, self.context = (
            folder / name for name in ("images", "away", "answer", "code", "context")
        )

    def commands(self, name: str) -> list[list[str]]:
        lines = (self.folder / "said").read_text(encoding="utf-8").splitlines()
        return [line.split() for line in lines if line.startswith(f"{name} ")]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    found = Engine(tmp_path / "engine")
    found.folder.mkdir()
    found.images.write_text(f"tidewheel:serving sha256:{SERVING} 766000000\n")
    found.answer.write_text("warming up\n[0.25, 0.75]\n")
    found.code.write_text("0")
    (found.folder / "docker").write_text(DOCKER)
    (found.folder / "docker").chmod(0o700)
    monkeypatch.setenv("ENGINE", str(found.folder))
    monkeypatch.setenv("PATH", f"{found.folder}:{os.environ['PATH']}")
    return found


@pytest.fixture(scope="module")
def empty_ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ledger of this version's form, which takes a second to make."""
    file = tmp_path_factory.mktemp("ledger") / "ledger.db"
    migrate(f"sqlite:///{file}")
    return file


@pytest.fixture
def models(empty_ledger: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    """The ledger of an installation with the pipeline `orders`, which knows version 1 without a Bento."""
    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(PIPELINE_FILE)
    url = f"sqlite:///{shutil.copy(empty_ledger, tmp_path)}"
    for name in [name for name in os.environ if name.startswith("TIDEWHEEL_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEWHEEL_DATABASE_URL", url)
    made = Models(Ledger(url))
    made.add(version_row("orders", "1"))
    return made


@pytest.fixture
def packaged(models: Models, tmp_path: Path) -> Artifact:
    """Version 2, packaged and published; it is the champion."""
    folder = tmp_path / "src"
    (folder / "bentos").mkdir(parents=True)
    golden = [{"row": {"amount": n}, "prediction": right} for n, right in enumerate((0.25, 0.75))]
    for name in ("bentos/serve.py", "service.json", "model.bin"):
        (folder / name).write_text(name)
    (folder / "contract.json").write_text(json.dumps({"golden_rows": golden}))
    (folder / "model.bin").chmod(0o600)
    found = Artifact("2", "orders:2", str(folder), content_hash(folder))
    found.publish(Lake.open("orders"))
    row = models.add(version_row("orders", "2"))
    models.keep_bento(row, {"tag": "2-abc", "form": "onnx", "content_hash": found.content_hash})
    models.promote("orders", "2", "", "test", "run", datetime.now(UTC))
    return found


def build(*options: str) -> Result:
    return CliRunner().invoke(app, ["image", "build", "orders", *options])


def refusal(*options: str) -> TidewheelError:
    found = build(*options).exception
    assert isinstance(found, TidewheelError), found
    return found


def test_the_image_is_serving_and_the_bento_under_a_name_made_of_both_digests(
    engine: Engine, packaged: Artifact
) -> None:
    name = f"tidewheel/orders:2-{packaged.content_hash[:12]}-{SERVING[:12]}"
    done = build("--version", "2")

    assert done.exit_code == 0, done.exception
    lines = done.output.splitlines()
    assert lines[0] == name
    assert "768.0 MB, 2.0 MB of it beside tidewheel:serving" in lines[1]
    assert lines[2].endswith(f"docker run --read-only --tmpfs /tmp --cap-drop ALL -p 127.0.0.1:3000:3000 {name}")
    [command] = engine.commands("build")
    assert "SERVING=tidewheel:serving" in command
    assert f"tidewheel.content-hash={packaged.content_hash}" in command
    assert engine.commands("tag") == [["tag", f"sha256:{BUILT}", name]]
    assert content_hash(engine.context) == packaged.content_hash
    assert {path.stat().st_mode & 0o777 for path in engine.context.rglob("*") if path.is_file()} == {0o644}


def test_an_image_that_is_there_is_not_built_again_and_the_champion_is_meant_by_default(
    engine: Engine, packaged: Artifact
) -> None:
    first = build("--repository", "registry.example/orders").output
    again = build("--repository", "registry.example/orders").output

    assert first.splitlines()[0] == again.splitlines()[0]
    assert first.startswith(f"registry.example/orders:2-{packaged.content_hash[:12]}-")
    assert "was there already" in again
    assert "docker push registry.example/orders:2-" in again
    assert len(engine.commands("build")) == 1


def test_another_serving_image_makes_another_name(engine: Engine, packaged: Artifact) -> None:
    first = build().output.splitlines()[0]
    engine.images.write_text(engine.images.read_text().replace(SERVING, "6f" * 32))
    assert build().output.splitlines()[0] != first


def test_the_golden_rows_are_asked_without_a_network_before_the_image_gets_its_name(
    engine: Engine, packaged: Artifact
) -> None:
    engine.answer.write_text("[0.25, 0.9]\n")
    found = refusal()

    assert isinstance(found, ReleaseError)
    assert "golden rows apart by 0.15, allowed are 1e-05" in str(found)
    [command] = engine.commands("run")
    assert command[:4] == ["run", "--rm", "--network", "none"]
    assert not engine.commands("tag")


def test_a_package_that_the_image_lacks_is_named(engine: Engine, packaged: Artifact) -> None:
    engine.answer.write_text("Traceback\nModuleNotFoundError: No module named 'lightgbm'\n")
    engine.code.write_text("1")
    assert "No module named 'lightgbm'; a package that the model needs goes into the extra" in str(refusal())

    engine.code.write_text("125")
    assert str(refusal()).startswith("`docker run` failed with exit code 125")


def test_without_docker_its_program_is_asked_for(packaged: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    found = refusal()
    assert isinstance(found, SettingsError)
    assert "there is no program `docker` on PATH" in str(found)


def test_a_daemon_that_is_away_is_one_sentence(engine: Engine, packaged: Artifact) -> None:
    engine.away.touch()
    found = refusal()
    assert isinstance(found, PlatformError)
    assert str(found).startswith("Docker's daemon does not answer: Cannot connect to the Docker daemon at unix://")
    assert "start it" in str(found)


def test_without_the_serving_image_the_command_that_builds_it_is_named(engine: Engine, packaged: Artifact) -> None:
    engine.images.write_text("")
    assert "pull access denied for tidewheel:serving; build it from this repository (`docker build" in str(refusal())


@pytest.mark.usefixtures("engine", "packaged")
def test_a_version_that_is_not_there_is_answered_with_those_that_are() -> None:
    found = refusal("--version", "7")
    assert isinstance(found, UsageError)
    assert str(found) == "orders has no version '7'; the ledger has: 1, 2"


@pytest.mark.usefixtures("engine", "models")
def test_a_version_without_a_bento_is_answered_with_the_commands_that_build_one() -> None:
    found = refusal("--version", "1")
    assert isinstance(found, UsageError)
    assert "no Bento of orders version 1 was built yet; `tidewheel release orders --version 1` builds" in str(found)


@pytest.mark.usefixtures("engine", "models")
def test_without_a_champion_a_version_must_be_named() -> None:
    assert "orders has no champion: name a --version" in str(refusal())


def test_a_bento_that_the_lake_has_lost_is_one_sentence(engine: Engine, packaged: Artifact) -> None:
    lake = Lake.open("orders")
    lake.store.remove(f"orders/bentos/{packaged.content_hash}.tar")
    assert "is not there: release the version again, which publishes it" in str(refusal())
