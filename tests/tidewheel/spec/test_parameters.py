"""Parameters of an estimator: anything JSON can hold, the same after a way through JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tidewheel.spec.pipeline_file import SMALLEST, write
from tidewheel.spec import Pipeline, load_pipeline


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("hidden_layer_sizes: [64, 32]", {"hidden_layer_sizes": [64, 32]}),
        ("class_weight: {0: 1, 1: 5}", {"class_weight": {0: 1, 1: 5}}),
        ('class_weight: {"0": 1, "1": 5}', {"class_weight": {0: 1, 1: 5}}),
        ("monotonic_cst: {amount: 1, age: -1}", {"monotonic_cst": {"amount": 1, "age": -1}}),
        ("interaction_cst: [[0, 1], [2]]", {"interaction_cst": [[0, 1], [2]]}),
        ("layers: [{units: 64, dropout: 0.1}, {units: 32, rate: null}]",
         {"layers": [{"units": 64, "dropout": 0.1}, {"units": 32, "rate": None}]}),
        ("flags: [true, 1, 1.0, '1', null]", {"flags": [True, 1, 1.0, "1", None]}),
        ("codes: {'007': a, -3: b, '': c}", {"codes": {"007": "a", -3: "b", "": "c"}}),
        ("empty: []\n    none: {}", {"empty": [], "none": {}}),
    ],
)  # fmt: skip
def test_parameters_are_what_was_written_also_after_a_way_through_json(
    tmp_path: Path, written: str, read: dict[str, object]
) -> None:
    pipeline = load_pipeline(write(tmp_path, f"{SMALLEST}training:\n  parameters:\n    {written}\n"))
    again = Pipeline.model_validate(json.loads(json.dumps(pipeline.model_dump(mode="json"))))

    for found in (pipeline, again):
        assert found.training.parameters == read
        assert repr(found.training.parameters) == repr(read)  # True is not 1, and 1 is not 1.0
    assert again.model_dump_json() == pipeline.model_dump_json()
