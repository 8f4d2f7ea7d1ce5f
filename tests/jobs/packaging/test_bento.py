"""A version becomes a Bento: the same content for the same version, built once."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from jobs.packaging.bento import BentoStore
from tests import small_models


@pytest.fixture(scope="module")
def trained() -> small_models.Trained:
    return small_models.train()


def test_two_builds_of_a_version_have_the_same_content_and_a_third_is_not_made(
    tmp_path: Path, trained: small_models.Trained
) -> None:
    spec = small_models.pipeline(tmp_path)
    first, second = BentoStore(tmp_path / "one"), BentoStore(tmp_path / "two")
    assert first.find(spec, "3", "run") is None
    built = first.build(spec, "3", "run", trained.contract, trained.model)
    again = second.build(spec, "3", "run", trained.contract, trained.model)
    assert (built.artifact.tag, built.artifact.content_hash) == (again.artifact.tag, again.artifact.content_hash)
    found = first.find(spec, "3", "run")
    assert found is not None
    assert (found.artifact, found.reused, found.model_format) == (built.artifact, True, built.model_format)
    assert set(found.measured_forms) == {"onnx", "treelite", "native"}
    assert found.measured_forms == built.measured_forms, "what was measured is kept with the Bento"
    assert first.find(spec, "3", "another run of the same number") is None

    labels = YAML(typ="safe").load(Path(built.artifact.path).parent / "bento.yaml")["labels"]
    assert (labels["pipeline"], labels["mlflow_version"], labels["mlflow_run"]) == ("orders", "3", "run")

    (Path(built.artifact.path) / "model.bin").write_bytes(b"cut off")
    assert first.find(spec, "3", "run") is None, "a broken Bento counts as none"


def test_the_bento_imports_nothing_of_the_repository(tmp_path: Path, trained: small_models.Trained) -> None:
    spec = small_models.pipeline(tmp_path)
    built = BentoStore(tmp_path / "home").build(spec, "1", "run", trained.contract, trained.model)
    script = (
        "import sys; from bentos.service import Model; rows = [{'weight': 1, 'distance': 2, 'carrier': 'fast'}];"
        "print(Model.inner().predict(rows).model_version);"
        "print([m for m in sys.modules if m.split('.')[0] in ('tidewheel', 'jobs', 'infra', 'sklearn', 'pandas')])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=built.artifact.path, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "[]"]

    script = (
        "from bentos.serve import endpoint_first; from bentos.endpoint import Endpoint;"
        "print([middleware.cls is Endpoint for middleware in endpoint_first().user_middleware])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=built.artifact.path, capture_output=True, text=True, check=True
    )
    first, *others = ast.literal_eval(done.stdout)
    assert first, "BentoML's own middleware costs as much as a small model"
    assert not any(others), "a request passes the endpoint once"
