"""`tidewheel image build` on a real engine: the image answers as the model does, and gets no name before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from jobs.packaging.bento import BentoStore
from tests import small_models
from tests.conftest import wait_until
from tests.containers.conftest import FIGURES
from tests.containers.engine import container, health, run
from tests.free_ports import free_port
from tests.version_rows import version_row
from tidewheel.cli.app import app
from tidewheel.errors import ReleaseError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.models import Models

ADDED_BYTES = 5_000_000
"""What a small model and the service's code may add to the image `serving`."""


@pytest.fixture
def room(images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An installation without services, whose repository of images is its own; returns that."""
    pipeline = small_models.pipeline(tmp_path)
    (tmp_path / "dags").mkdir()
    (tmp_path / "orders.yaml").rename(tmp_path / "dags" / "orders.yaml")
    url, home = f"sqlite:///{tmp_path}/ledger.db", tmp_path / "home"
    for name, value in {
        "PROJECT": str(tmp_path),
        "HOME": str(home),
        "DATABASE_URL": url,
        "SERVING_IMAGE": images["serving"],
    }.items():
        monkeypatch.setenv(f"TIDEWHEEL_{name}", value)
    migrate(url)
    models, trained = Models(Ledger(url)), small_models.train()
    other = [golden.model_copy(update={"prediction": 1 - golden.prediction}) for golden in trained.contract.golden_rows]
    wrong = trained.contract.model_copy(update={"golden_rows": tuple(other)})
    for version, contract in (("1", trained.contract), ("2", wrong)):
        row = models.add(version_row("orders", version))
        artifact = BentoStore(home / "bentos").build(pipeline, version, "run", contract, trained.model).artifact
        artifact.publish(Lake.open("orders"))
        models.keep_bento(row, {"tag": artifact.tag, "form": "", "content_hash": artifact.content_hash})
    repository = f"tidewheel-test/{secrets.token_hex(3)}"
    yield repository
    if made := run("docker", "images", "--quiet", repository).split():
        run("docker", "rmi", "--force", *made)


def build(repository: str, version: str) -> list[str]:
    """Lines that the command prints."""
    done = CliRunner().invoke(app, ["image", "build", "orders", "--version", version, "--repository", repository])
    if done.exception:
        raise done.exception
    return done.output.splitlines()


def test_the_image_answers_by_itself_and_is_built_once(room: str, images: dict[str, str]) -> None:
    serving = images["serving"]
    image, built, *_ = build(room, "1")
    FIGURES["image of a model"] = built.strip()
    labels = run("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image)
    assert '"tidewheel.version":"1"' in labels
    size, base = (int(run("docker", "image", "inspect", "--format", "{{.Size}}", name)) for name in (image, serving))
    assert size - base < ADDED_BYTES
    assert "was there already" in build(room, "1")[1]

    name, port = f"model-{secrets.token_hex(3)}", free_port()
    container("--detach", "--name", name, "--publish", f"127.0.0.1:{port}:3000", image)
    try:
        wait_until(lambda: health(name) == "healthy", "the model's container is healthy", 120)
        rows = [{"weight": 1.0, "distance": 100.0, "carrier": "fast"}]
        answer = httpx.post(f"http://127.0.0.1:{port}/predict", json={"rows": rows}, timeout=30).raise_for_status()
    finally:
        run("docker", "rm", "--force", name)
    assert answer.json()["model_version"] == "1"
    assert 0 <= answer.json()["predictions"][0] <= 1


def test_a_model_that_answers_otherwise_than_where_it_was_trained_gets_no_name(room: str) -> None:
    with pytest.raises(ReleaseError, match="golden rows apart by 0"):
        build(room, "2")
    assert run("docker", "images", "--quiet", room) == ""
