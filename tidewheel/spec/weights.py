"""How much rows and classes count in training: what a pipeline file must say of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from tidewheel.errors import did_you_mean
from tidewheel.spec.mistake import Mistake

if TYPE_CHECKING:
    from tidewheel.spec.pipeline import Pipeline

CLASS_WEIGHT = ("training", "class_weight")


def weight_mistakes(pipeline: Pipeline) -> Iterator[Mistake]:
    """Weights that no training could use.

    Args:
        pipeline: the declaration, as far as it is checked.
    """
    training, key = pipeline.training, ("training", "sample_weight")
    roles = {*pipeline.source.entity_key, pipeline.source.event_time, pipeline.labels.column}
    if training.sample_weight in {*roles, *pipeline.features.categorical}:
        yield Mistake(
            key,
            f"found {training.sample_weight!r}",
            "it is the label, the key, the event time or a categorical feature; expected a numeric column of its own, "
            "which the transform returns",
        )
    if training.class_weight is None:
        return
    if pipeline.task == "regression":
        yield Mistake(CLASS_WEIGHT, "", "a regression has no classes; weigh rows with training.sample_weight instead")
        return
    if "class_weight" in training.parameters:
        yield Mistake(
            ("training", "parameters", "class_weight"), "", "training.class_weight sets it; leave one of them out"
        )
    if isinstance(training.class_weight, dict):
        yield from _classes(pipeline, training.class_weight)


def class_names(pipeline: Pipeline) -> list[str | int]:
    """The classes of a pipeline, each at the place that models know it by."""
    return list(pipeline.labels.classes) if pipeline.task == "multiclass" else [0, 1]


def _classes(pipeline: Pipeline, weights: Mapping[int | str, float]) -> Iterator[Mistake]:
    known = {str(name): name for name in class_names(pipeline)}
    given = {str(name): value for name, value in weights.items()}
    for name, value in given.items():
        if name not in known:
            yield Mistake(
                (*CLASS_WEIGHT, name),
                f"found {name!r}",
                f"no class of the label; expected {', '.join(known)}",
                did_you_mean(name, list(known)),
            )
        elif value <= 0:
            yield Mistake(
                (*CLASS_WEIGHT, name),
                f"found {value:g}",
                "expected more than 0: a class that counts nothing is not learned; leave it out of the labels",
            )
    if absent := [name for name in known if name not in given]:
        yield Mistake(CLASS_WEIGHT, f"{', '.join(absent)} has no weight", "expected a weight for each class")
