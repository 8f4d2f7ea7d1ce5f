"""A pipeline of several classes: what it declares, and what is refused for it with a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tidewheel.spec.pipeline_file import SMALLEST, refusal, write
from tidewheel.spec import load_pipeline

LABEL = "  column: returned\n"


def declared(classes: str, more: str = "") -> str:
    return SMALLEST.replace(LABEL, f"{LABEL}  classes: {classes}\n") + "task: multiclass\n" + more


@pytest.mark.parametrize(
    ("classes", "expected"),
    [
        ("[low, middle, high]", ["low", "middle", "high"]),
        ("[3, 1, 2]", [3, 1, 2]),
        ('["1", "2", "x"]', ["1", "2", "x"]),
    ],
)
def test_classes_are_texts_or_integers_in_the_order_of_the_file(
    tmp_path: Path, classes: str, expected: list[str | int]
) -> None:
    pipeline = load_pipeline(write(tmp_path, declared(classes)))
    assert pipeline.labels.classes == expected
    assert [type(name) for name in pipeline.labels.classes] == [type(name) for name in expected]
    assert pipeline.metric == "log_loss"


def test_the_gate_takes_the_label_as_a_slice_and_macro_figures_as_floors(tmp_path: Path) -> None:
    floors = "floors: {macro_f1: 0.5, macro_recall: 0.5, accuracy: 0.6}"
    gate = f"gate: {{metric: brier, {floors}, slices: {{columns: [returned]}}}}\n"
    pipeline = load_pipeline(write(tmp_path, declared("[a, b, c]", gate)))
    assert pipeline.gate.slices is not None
    assert pipeline.gate.slices.columns == ["returned"]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (declared("[]"), "labels.classes: found no class; expected 3 or more for `task: multiclass`"),
        (declared("[no, yes]"), "a label of two values is a `task: classification` with labels 0 and 1"),
        (declared("[a, b, A]"), "labels.classes: found 'a' twice; expected names that differ, and not by case alone"),
        (declared("[a, b, 3]"), "labels.classes"),
        (declared("[true, false, 3]"), "labels.classes"),
        (declared(f"[{', '.join(f'c{n}' for n in range(201))}]"), "found 201 classes; expected 200 at most"),
        (
            SMALLEST.replace(LABEL, f"{LABEL}  classes: [a, b, c]\n"),
            "labels.classes: found 3 classes; only `task: multiclass` has classes",
        ),
        (
            declared("[a, b, c]").replace(LABEL, f"{LABEL}  types: {{returned: number}}\n"),
            "returned is the label, found number; expected text",
        ),
        (
            declared("[a, b, c]").replace("[order_id]", "[probability_b]"),
            "source.entity_key.0: found 'probability_b'; probability_b: the platform adds a column of this name",
        ),
        (declared("[a, b, c]", "decision: {threshold: 0.3}\n"), "a threshold and costs are of two classes"),
        (declared("[a, b, c]", "scoring: {explain: 3}\n"), "cannot be explained yet; expected 0"),
        (
            declared("[a, b, c]", "gate: {fairness: [{column: region, maximum_gap: 0.1}]}\n"),
            "groups of a multiclass pipeline cannot be compared yet",
        ),
        (declared("[a, b, c]", "monitoring: {fairness: [region]}\n"), "cannot be compared yet"),
        (
            declared("[a, b, c]", "gate: {metric: roc_auc}\n"),
            "roc_auc cannot judge multiclass predictions; expected log_loss, brier, d2, accuracy, macro_f1",
        ),
        (
            declared("[a, b, c]", "alerts: {rules: [roc_auc < 0.6]}\n"),
            "roc_auc is no figure of multiclass predictions; expected one of log_loss, brier, d2, accuracy, macro_f1",
        ),
        (SMALLEST + "gate: {floors: {macro_f1: 0.5}}\n", "macro_f1 cannot judge a classification"),
    ],
)  # fmt: skip
def test_what_several_classes_cannot_have_is_refused(tmp_path: Path, content: str, expected: str) -> None:
    assert expected in refusal(tmp_path, content)
