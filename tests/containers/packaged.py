"""An installation without services that has packaged models, and the command that makes images of them."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from jobs.packaging.bento import BentoStore
from tests import small_models
from tests.containers.engine import run
from tests.version_rows import version_row
from tidewheel.cli.app import app
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.models import Models

if TYPE_CHECKING:
    import pytest


@contextmanager
def packaged_models(folder: Path, serving_image: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Versions 1 and 2 of `orders`, of which 2 answers otherwise than its contract says.

    Yields:
        A repository of images of its own; what is in it afterwards is removed.
    """
    pipeline = small_models.pipeline(folder)
    (folder / "dags").mkdir()
    (folder / "orders.yaml").rename(folder / "dags" / "orders.yaml")
    url, home = f"sqlite:///{folder}/ledger.db", folder / "home"
    for name, value in {
        "PROJECT": str(folder),
        "HOME": str(home),
        "DATABASE_URL": url,
        "SERVING_IMAGE": serving_image,
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
    repository = f"localhost/tidewheel-test-{secrets.token_hex(3)}"
    yield repository
    if made := run("docker", "images", "--quiet", repository).split():
        run("docker", "rmi", "--force", *made)


def build_image(repository: str, version: str) -> list[str]:
    """Lines that the command prints."""
    done = CliRunner().invoke(app, ["image", "build", "orders", "--version", version, "--repository", repository])
    if done.exception:
        raise done.exception
    return done.output.splitlines()
