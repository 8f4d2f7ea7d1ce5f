"""What a pipeline of more than two classes must declare, and what the platform does not do for it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from tidewheel.spec.mistake import Mistake

if TYPE_CHECKING:
    from tidewheel.spec.pipeline import Pipeline

FEWEST, MOST = 3, 200
"""Classes. Each has a column of probabilities, in the lake, in the log of requests and in every answer."""
PROBABILITY = "probability_"
"""What the names of these columns begin with."""


def task_words(task: str) -> str:
    """A task as a sentence names it."""
    return "multiclass predictions" if task == "multiclass" else f"a {task}"


def class_mistakes(pipeline: Pipeline) -> Iterator[Mistake]:
    """What is wrong with `labels.classes`, and sections that mean nothing, or nothing yet, for multiclass.

    Args:
        pipeline: the declaration, as far as it is checked.
    """
    key, classes = ("labels", "classes"), pipeline.labels.classes
    if pipeline.task != "multiclass":
        if classes:
            yield Mistake(key, f"found {len(classes)} classes", "only `task: multiclass` has classes")
        return
    if len(classes) < FEWEST:
        found = ", ".join(map(str, classes)) or "no class"
        yield Mistake(
            key,
            f"found {found}",
            f"expected {FEWEST} or more for `task: multiclass`; a label of two values is a `task: classification` with "
            "labels 0 and 1",
        )
    if len(classes) > MOST:
        yield Mistake(key, f"found {len(classes)} classes", f"expected {MOST} at most; group the rare ones")
    # Spark takes two columns whose names differ by case alone for the same.
    twice = [name for name, count in Counter(str(name).casefold() for name in classes).items() if count > 1]
    for name in twice:
        yield Mistake(key, f"found {name!r} twice", "expected names that differ, and not by case alone")
    yield from _columns(pipeline)
    yield from _unsupported(pipeline)


def _columns(pipeline: Pipeline) -> Iterator[Mistake]:
    ours = {f"{PROBABILITY}{name}".casefold() for name in pipeline.labels.classes}
    source = pipeline.source
    named: list[tuple[tuple[int | str, ...], str]] = [(("source", "event_time"), source.event_time)]
    named += [(("source", "entity_key", n), name) for n, name in enumerate(source.entity_key)]
    for key, name in named:
        if name.casefold() in ours:
            yield Mistake(
                key,
                f"found {name!r}",
                f"{name}: the platform adds a column of this name to the predictions, for the probability of a class; "
                "rename this column in the reader",
            )


def _unsupported(pipeline: Pipeline) -> Iterator[Mistake]:
    if "decision" in pipeline.model_fields_set:
        yield Mistake(
            ("decision",), "", "a threshold and costs are of two classes; multiclass predicts the most probable class"
        )
    if pipeline.scoring.explain:
        yield Mistake(
            ("scoring", "explain"),
            f"found {pipeline.scoring.explain}",
            "predictions of a multiclass pipeline cannot be explained yet; expected 0",
        )
    limits: list[tuple[tuple[str, ...], Sequence[object]]] = [
        (("gate", "fairness"), pipeline.gate.fairness),
        (("monitoring", "fairness"), pipeline.monitoring.fairness),
    ]
    for key, value in limits:
        if value:
            yield Mistake(
                key,
                f"found {len(value)} {'entry' if len(value) == 1 else 'entries'}",
                "groups of a multiclass pipeline cannot be compared yet; leave this out, and look at each class by "
                f"itself instead (gate.slices.columns: [{pipeline.labels.column}])",
            )
