"""`tidewheel image build` on a real engine: the image answers as the model does, and gets no name before."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import wait_until
from tests.containers.conftest import FIGURES
from tests.containers.engine import container, health, run
from tests.containers.packaged import build_image, packaged_models
from tests.free_ports import free_port
from tidewheel.errors import ReleaseError

ADDED_BYTES = 5_000_000
"""What a small model and the service's code may add to the image `serving`."""


@pytest.fixture
def room(images: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The repository of an installation's images."""
    with packaged_models(tmp_path, images["serving"], monkeypatch) as repository:
        yield repository


def test_the_image_answers_by_itself_and_is_built_once(room: str, images: dict[str, str]) -> None:
    serving = images["serving"]
    image, built, *_ = build_image(room, "1")
    FIGURES["image of a model"] = built.strip()
    labels = run("docker", "image", "inspect", "--format", "{{json .Config.Labels}}", image)
    assert '"tidewheel.version":"1"' in labels
    size, base = (int(run("docker", "image", "inspect", "--format", "{{.Size}}", name)) for name in (image, serving))
    assert size - base < ADDED_BYTES
    assert "was there already" in build_image(room, "1")[1]

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
        build_image(room, "2")
    assert run("docker", "images", "--quiet", room) == ""
