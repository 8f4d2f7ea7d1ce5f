"""Where sections of a pipeline file contradict each other: each value is right by itself, together none can work."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidewheel.errors import did_you_mean
from tidewheel.spec.alerts import threshold_mistakes
from tidewheel.spec.mistake import Mistake

if TYPE_CHECKING:
    from tidewheel.spec.pipeline import Pipeline

METRICS = {
    "classification": ("log_loss", "brier", "roc_auc"),
    "regression": ("rmse", "mae", "r2"),
}
_FIGURES = frozenset(name for names in METRICS.values() for name in names)
_OURS = ("partition", "prediction", "model_version")
"""Columns that the platform adds to a team's own."""
_OUR_PREFIX = "_tidewheel_"
"""What the names begin with that reading and writing need for themselves."""

Place = tuple[tuple[int | str, ...], str]
"""Where a column is named, and its name."""


def mistakes(pipeline: Pipeline) -> list[Mistake]:
    """What can never work in a pipeline whose sections are right one by one.

    Args:
        pipeline: the declaration, as far as it is checked.
    """
    return [
        *_figures(pipeline),
        *_slices(pipeline),
        *_columns(pipeline),
        *_challenger(pipeline),
        *_days(pipeline),
        *threshold_mistakes(pipeline.alerts, pipeline.task, METRICS[pipeline.task]),
    ]


def _figures(pipeline: Pipeline) -> Iterator[Mistake]:
    allowed, gate = METRICS[pipeline.task], pipeline.gate
    expected = f"cannot judge a {pipeline.task}; expected {', '.join(allowed)}"
    named: list[Place] = [(("gate", "metric"), pipeline.metric)]
    named += [(("gate", "floors", name), name) for name in gate.floors]
    named += [(("gate", "ceilings", name), name) for name in gate.ceilings]
    for key, name in named:
        if name not in allowed:
            yield Mistake(key, f"found {name!r}", f"{name} {expected}")
    for position, limit in enumerate(gate.fairness):
        if limit.figure in _FIGURES and limit.figure not in allowed:
            usable = ", ".join(("mean_prediction", "bias", *(name for name in allowed if name != "r2")))
            yield Mistake(
                ("gate", "fairness", position, "figure"),
                f"found {limit.figure!r}",
                f"{limit.figure} cannot judge a {pipeline.task}; expected {usable}",
            )
    for name, floor in gate.floors.items():
        if floor > 1:
            yield Mistake(("gate", "floors", name), f"found {floor:g}", f"expected at most 1: no model has more {name}")
    for name, ceiling in gate.ceilings.items():
        if ceiling <= 0:
            yield Mistake(("gate", "ceilings", name), f"found {ceiling:g}", "expected more than 0: no model is so good")


def _slices(pipeline: Pipeline) -> Iterator[Mistake]:
    categorical, gate, monitoring = pipeline.features.categorical, pipeline.gate, pipeline.monitoring
    named: list[Place] = []
    if gate.slices:
        named += [(("gate", "slices", "columns", n), name) for n, name in enumerate(gate.slices.columns)]
    named += [(("gate", "fairness", n, "column"), limit.column) for n, limit in enumerate(gate.fairness)]
    named += [(("monitoring", "slices", n), name) for n, name in enumerate(monitoring.slices or ())]
    named += [(("monitoring", "fairness", n), name) for n, name in enumerate(monitoring.fairness)]
    for key, name in named:
        if name not in categorical:
            yield Mistake(
                key,
                f"found {name!r}",
                f"{name} cannot make slices or groups: no categorical feature; expected "
                f"{', '.join(categorical[:20]) or 'one under features.categorical'}",
                did_you_mean(name, categorical),
            )


def _columns(pipeline: Pipeline) -> Iterator[Mistake]:
    """Spark takes two names that differ by case alone for the same: so do these rules."""
    roles = _roles(pipeline)
    seen: dict[str, Place] = {}
    for key, name in roles:
        if (first := seen.setdefault(name.casefold(), (key, name)))[0] != key:
            yield Mistake(
                key,
                f"found {name!r}",
                f"{name} cannot be two things ({_dotted(first[0])} has it); expected a column of its own for each part "
                "of the key, the event time and the label",
            )
    features = [
        (("features", kind, position), name)
        for kind in ("numeric", "categorical")
        for position, name in enumerate(getattr(pipeline.features, kind))
    ]
    for key, name in features:
        first = seen.setdefault(name.casefold(), (key, name))
        if first in roles:
            yield Mistake(
                key,
                f"found {name!r}",
                f"{name} cannot be a feature: it is the label, the key or the event time ({_dotted(first[0])})",
            )
        elif first[0] != key:
            yield Mistake(
                key, f"found {name!r}", f"{name} and {first[1]} differ by case alone, which Spark takes for one column"
            )
    for key, name in (*roles, *features):
        if name.casefold() in _OURS or name.casefold().startswith(_OUR_PREFIX):
            ours = (
                f"the platform itself adds {', '.join(_OURS)}, and columns that begin with {_OUR_PREFIX}, to the rows"
            )
            yield Mistake(key, f"found {name!r}", f"{name}: {ours}; rename this column in the reader or the transform")


def _roles(pipeline: Pipeline) -> list[Place]:
    source = pipeline.source
    return [
        *((("source", "entity_key", position), name) for position, name in enumerate(source.entity_key)),
        (("source", "event_time"), source.event_time),
        (("labels", "column"), pipeline.labels.column),
    ]


def _challenger(pipeline: Pipeline) -> Iterator[Mistake]:
    training, needed = pipeline.training, pipeline.gate.minimum_days
    if training.holdout_days < needed:
        declared = "holdout_days" in training.model_fields_set
        yield Mistake(
            ("training", "holdout_days") if declared else ("gate", "minimum_days"),
            "",
            f"training.holdout_days keeps {training.holdout_days} days for the gate, gate.minimum_days asks for "
            f"{needed}: no challenger could ever pass; keep more days, or ask for fewer",
        )


def _days(pipeline: Pipeline) -> Iterator[Mistake]:
    """Days that a source will never have cannot be kept, searched or looked back on."""
    source, training, search = pipeline.source, pipeline.training, pipeline.training.search
    judged = search.folds * search.validation_days if search else 0
    if search and training.window_days is not None and training.window_days <= judged:
        yield Mistake(
            ("training", "window_days"),
            f"found {training.window_days}",
            f"expected more than {judged}: the search judges on {search.folds} folds of {search.validation_days} days, "
            "and nothing would be left to learn from",
        )
    if source.start and source.end:
        days, needed = (source.end - source.start).days + 1, training.holdout_days + judged
        if days <= needed:
            yield Mistake(
                ("source", "end"),
                f"found {source.end}",
                f"from {source.start} on the source has {days} days, of which {needed} are kept to judge by "
                "(training.holdout_days and a search's folds): nothing would be left to learn from",
            )


def _dotted(key: tuple[int | str, ...]) -> str:
    return ".".join(map(str, key))
