"""How many replicas answer: `serving.replicas` of a pipeline file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidewheel.spec.pipeline_file import SMALLEST, refusal, write
from tidewheel.spec import load_pipeline
from tidewheel.spec.serving import Replicas


def replicas(folder: Path, more: str = "") -> Replicas:
    return load_pipeline(write(folder, SMALLEST + more)).serving.replicas


def test_one_replica_answers_where_the_file_says_nothing(tmp_path: Path) -> None:
    assert replicas(tmp_path) == Replicas(minimum=1, maximum=1)


def test_without_a_maximum_the_number_is_fixed(tmp_path: Path) -> None:
    assert replicas(tmp_path, "serving: {replicas: {minimum: 3}}\n") == Replicas(minimum=3, maximum=3)
    assert replicas(tmp_path, "serving: {replicas: {maximum: 4}}\n") == Replicas(minimum=1, maximum=4)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{minimum: 0}", r"serving.replicas.minimum: found 0; expected"),
        ("{minimum: 3, maximum: 2}", r"serving.replicas.maximum: found 2; expected at least minimum, which is 3"),
        ("{minimum: 2.5}", r"serving.replicas.minimum: found 2.5"),
        ("{minimum: 100000}", r"serving.replicas.minimum: found 100000; expected"),
        ("{minimum: true}", r"serving.replicas.minimum: found True"),
        ("{maximun: 2}", r"did you mean 'maximum'"),
        ("3", r"serving.replicas: found 3"),
    ],
)
def test_a_wrong_number_is_named_with_its_key(tmp_path: Path, given: str, message: str) -> None:
    found = refusal(tmp_path, f"{SMALLEST}serving: {{replicas: {given}}}\n")
    assert message in found
    assert found.count("serving.replicas") == 1, "one mistake, one line"
