"""Where sections of a pipeline file contradict each other: each value is right by itself, together none can work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tidewheel.errors import did_you_mean
from tidewheel.partitions import Partitioning
from tidewheel.spec.alerts import Threshold, threshold_mistakes
from tidewheel.spec.groups import group_columns
from tidewheel.spec.losses import FIGURES, loss_mistakes, metrics_of
from tidewheel.spec.mistake import Mistake
from tidewheel.spec.multiclass import class_mistakes, task_words
from tidewheel.spec.retention import retention_mistakes
from tidewheel.spec.warm_start import warm_start_mistakes
from tidewheel.spec.weights import weight_mistakes

if TYPE_CHECKING:
    from tidewheel.spec.pipeline import Pipeline

METRICS = {
    "classification": (
        *("log_loss", "brier", "d2", "roc_auc", "pr_auc"),
        *("accuracy", "precision", "recall", "f1", "expected_cost"),
    ),
    "multiclass": ("log_loss", "brier", "d2", "accuracy", "macro_f1", "macro_recall"),
    "regression": ("rmse", "mae", "mape", "r2"),
}
_RATES = ("selection_rate", "recall", "false_positive_rate", "false_negative_rate")
_FIGURES = frozenset(name for names in (*METRICS.values(), *FIGURES.values()) for name in names) | {*_RATES}
_COMPARED = {
    "classification": ("log_loss", "brier", "roc_auc", *_RATES),
    "multiclass": (),
    "regression": ("rmse", "mae"),
}
"""What may be compared between groups, besides the mean prediction and the bias."""
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
        *class_mistakes(pipeline),
        *loss_mistakes(pipeline),
        *warm_start_mistakes(pipeline),
        *weight_mistakes(pipeline),
        *_decision(pipeline),
        *_slices(pipeline),
        *_columns(pipeline),
        *_explained(pipeline),
        *_watched(pipeline),
        *_challenger(pipeline),
        *_days(pipeline),
        *retention_mistakes(pipeline),
        *_partitions(pipeline),
        *threshold_mistakes(
            pipeline.alerts, pipeline.task, (*METRICS[pipeline.task], *pipeline.loss.figures), _COMPARED[pipeline.task]
        ),
    ]


def _figures(pipeline: Pipeline) -> Iterator[Mistake]:
    allowed, gate = metrics_of(pipeline, METRICS[pipeline.task]), pipeline.gate
    judged = "a quantile" if pipeline.loss.name == "quantile" else task_words(pipeline.task)
    expected = f"cannot judge {judged}; expected {', '.join(allowed)}"
    named: list[Place] = [(("gate", "metric"), pipeline.metric)]
    named += [(("gate", "floors", name), name) for name in gate.floors]
    named += [(("gate", "ceilings", name), name) for name in gate.ceilings]
    for key, name in named:
        if name not in allowed:
            yield Mistake(key, f"found {name!r}", f"{name} {expected}")
    for position, limit in enumerate(gate.fairness):
        compared = _COMPARED[pipeline.task]
        if limit.figure in _FIGURES and limit.figure not in compared:
            usable = ", ".join(("mean_prediction", "bias", *compared))
            yield Mistake(
                ("gate", "fairness", position, "figure"),
                f"found {limit.figure!r}",
                f"{limit.figure} cannot judge {task_words(pipeline.task)}; expected {usable}",
            )
    for name, floor in gate.floors.items():
        if floor > 1:
            yield Mistake(("gate", "floors", name), f"found {floor:g}", f"expected at most 1: no model has more {name}")
    for name, ceiling in gate.ceilings.items():
        if ceiling <= 0 and name != "expected_cost":  # where gains are declared, a cost may be negative
            yield Mistake(("gate", "ceilings", name), f"found {ceiling:g}", "expected more than 0: no model is so good")


def _decision(pipeline: Pipeline) -> Iterator[Mistake]:
    if pipeline.task == "regression" and "decision" in pipeline.model_fields_set:
        yield Mistake(("decision",), "", "a regression decides nothing: leave this section out")
    if pipeline.decision.costs is None and "expected_cost" in pipeline.gate.ceilings:
        yield Mistake(
            ("gate", "ceilings", "expected_cost"), "", "needs decision.costs, which say what each kind of mistake costs"
        )


def _slices(pipeline: Pipeline) -> Iterator[Mistake]:
    categorical, gate, monitoring = pipeline.features.categorical, pipeline.gate, pipeline.monitoring
    named: list[Place] = []
    if gate.slices:
        # Of a multiclass pipeline each class may be a slice.
        of_classes = {pipeline.labels.column} if pipeline.task == "multiclass" else set()
        columns = ((("gate", "slices", "columns", n), name) for n, name in enumerate(gate.slices.columns))
        named += [(key, name) for key, name in columns if name not in of_classes]
    named += [(("monitoring", "slices", n), name) for n, name in enumerate(monitoring.slices or ())]
    grouped: list[tuple[tuple[int | str, ...], str | list[str]]]
    grouped = [(("gate", "fairness", n, "column"), limit.column) for n, limit in enumerate(gate.fairness)]
    grouped += [(("monitoring", "fairness", n), groups) for n, groups in enumerate(monitoring.fairness)]
    # Any other column may be one of the landed rows, of which this file does not say all.
    unfit = {*pipeline.features.numeric, pipeline.labels.column}
    named += [(key, name) for key, groups in grouped for name in group_columns(groups) if name in unfit]
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
    features: list[Place] = [
        (("features", kind, position), name)
        for kind in ("numeric", "categorical")
        for position, name in enumerate(getattr(pipeline.features, kind))
    ]
    weight = pipeline.training.sample_weight
    if weight is not None and weight not in {name for _, name in (*roles, *features)}:
        features.append((("training", "sample_weight"), weight))
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


def _watched(pipeline: Pipeline) -> Iterator[Mistake]:
    if not pipeline.scoring.enabled and not pipeline.serving.log_sample:
        wrong = "scoring.enabled is false, so that only logged requests can be monitored; expected a share above 0"
        yield Mistake(("serving", "log_sample"), "found 0", wrong)


def _explained(pipeline: Pipeline) -> Iterator[Mistake]:
    names = {
        f"top_{kind}_{place + 1}" for kind in ("field", "contribution") for place in range(pipeline.scoring.explain)
    }
    for key, name in _roles(pipeline)[:-1]:  # the label is no column of predictions
        if name.casefold() in names:
            yield Mistake(
                key,
                f"found {name!r}",
                f"scoring.explain adds {name} to the predictions; rename this column in the reader",
            )


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
            f"training.holdout_days keeps {training.holdout_days} days for the gate, gate.minimum_days requires "
            f"{needed}: no challenger could ever pass; reserve more days, or require fewer",
        )


def _days(pipeline: Pipeline) -> Iterator[Mistake]:
    """Days that a source will never have cannot be reserved, searched or looked back on."""
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
        unit = pipeline.block
        days = unit.between(unit.holding(source.start), unit.holding(source.end)) + 1
        needed = training.holdout_days + judged
        if days <= needed:
            yield Mistake(
                ("source", "end"),
                f"found {source.end}",
                f"from {source.start} on the source has {days} days, of which {needed} are reserved for judging "
                "(training.holdout_days and a search's folds): nothing would be left to learn from",
            )


_SCHEDULES = {
    Partitioning.HOUR: (r"\S+ \* \* \* \*", "a minute and four stars, as `10 * * * *`"),
    Partitioning.DAY: (r"\S+ [^*\s]+ \* \* \*", "three stars, as `0 3 * * *`"),
    Partitioning.WEEK: (r"\S+ [^*\s]+ \* \* [^*\s]", "a weekday in the last field, as `0 3 * * 1`"),
}
"""What a schedule looks like, and in words, by what a partition holds."""


def _partitions(pipeline: Pipeline) -> Iterator[Mistake]:
    """What weekly and hourly pipelines have instead of a daily one's."""
    weekly, drift = pipeline.partition is Partitioning.WEEK, pipeline.monitoring.drift
    shape, expected = _SCHEDULES[pipeline.partition]
    if not re.fullmatch(shape, pipeline.schedule):
        wrong = f"a run is for the {pipeline.partition} that has ended; expected {expected}"
        yield Mistake(("schedule",), f"found {pipeline.schedule!r}", wrong)
    for place, rule in enumerate(pipeline.alerts.rules):
        if (written := Threshold.parse(rule.when).unit) not in (None, pipeline.block):
            wrong = f"a partition of this pipeline is a {pipeline.block}; expected a number of {pipeline.block}s"
            if pipeline.block is not pipeline.partition:
                wrong = f"figures of this pipeline are by {pipeline.block}; expected a number of {pipeline.block}s"
            yield Mistake(("alerts", "rules", place), f"found {rule.when!r} in {written}s", wrong)
    if weekly and drift.season == "week":
        wrong = "a week is compared with the weeks before it; expected none, or year"
        yield Mistake(("monitoring", "drift", "season"), "found 'week'", wrong)
    if weekly and drift.block_days != 1:
        yield Mistake(
            ("monitoring", "drift", "block_days"), f"found {drift.block_days}", "expected 1: a week is a block"
        )


def _dotted(key: tuple[int | str, ...]) -> str:
    return ".".join(map(str, key))
