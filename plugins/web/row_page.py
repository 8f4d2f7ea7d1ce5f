"""One row of a day: what was predicted for it, from which features, and which of them moved the prediction most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from plugins.web import answers
from plugins.web.answers import LAKE, Answers
from tidewheel.hours import is_hour
from tidewheel.lake import Lake, open_verified
from tidewheel.partitions import HOUR, day_or_none

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc

    from tidewheel.lake import Manifest
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

PREDICTIONS, FEATURES, VERSION = "predictions", "features", "model_version"
FIELD, CONTRIBUTION = "top_field_", "top_contribution_"
"""Columns that `scoring.explain` leaves beside a prediction, each with the place that it has."""
BAR_WIDTH = 100
"""Of the longest bar, either way of the middle."""
LONGEST_KEY = 60


@dataclass(frozen=True)
class Contribution:
    """What one field did to the prediction.

    Attributes:
        field: of the features.
        value: of that field; None where the features are not known.
        contribution: in the unit of the model, before its link; above 0 it raised the prediction.
        x: left end of its bar, between 0 and twice `BAR_WIDTH`; the middle is 0.
        width: of its bar.
    """

    field: str
    value: Any
    contribution: float
    x: float
    width: float


@dataclass(frozen=True)
class RowPage:
    """One row, or why it is not shown.

    Attributes:
        day: as it was entered.
        key: as it was entered, by column.
        days: the newest days with predictions, newest first; of these one may be chosen.
        problem: why no row is shown; empty where one is.
        unexplained: why there are no contributions; empty where there are some.
        version: that predicted.
        predictions: by column: the prediction, of several classes their probabilities as well.
        contributions: the largest first.
        features: that it was predicted from, by column.
        features_missing: why they are not shown; empty where they are.
    """

    day: str
    key: Mapping[str, str]
    days: Sequence[str] = ()
    problem: str = ""
    unexplained: str = ""
    version: str = ""
    predictions: Mapping[str, Any] = field(default_factory=dict)
    contributions: Sequence[Contribution] = ()
    features: Mapping[str, Any] = field(default_factory=dict)
    features_missing: str = ""


class _NotShown(Exception):
    """Why a row is not shown, in a sentence."""


def row_page(settings: Settings, pipeline: Pipeline, day: str, key: Sequence[str]) -> RowPage:
    """Look a row up, none longer than a page may take.

    Args:
        settings: where the lake is.
        pipeline: its file; names the columns of the key.
        day: YYYY-MM-DD; of an hourly pipeline also YYYY-MM-DDTHH.
        key: values of the key's columns, in their order.
    """
    pool, parts = ThreadPoolExecutor(1), Answers(answers.PAGE_PATIENCE_SECONDS)
    found = parts.of(LAKE, pool.submit(_row_page, Lake.open(pipeline.name, settings), pipeline, day, key))
    pool.shutdown(wait=False, cancel_futures=True)
    return found or RowPage(day, _named(pipeline, key), problem=parts.silent[LAKE])


def _named(pipeline: Pipeline, key: Sequence[str]) -> dict[str, str]:
    return {column: key[place] if place < len(key) else "" for place, column in enumerate(pipeline.key)}


def _row_page(lake: Lake, pipeline: Pipeline, day: str, key: Sequence[str]) -> RowPage:
    named, newest = _named(pipeline, key), lake.newest(PREDICTIONS, pipeline.partition) or ""
    days = [newest] if newest else []
    try:
        manifest = _manifest(lake, pipeline, day, newest)
        row = _row(lake, manifest, named)
    except _NotShown as reason:
        return RowPage(day, named, days, problem=str(reason))
    features, missing = _features(lake, manifest, named)
    contributions = _contributions(row, features)
    said = {
        name: value
        for name, value in row.items()
        if name not in {*pipeline.key, pipeline.source.event_time, VERSION} and not name.startswith("top_")
    }
    return RowPage(
        day,
        named,
        days,
        unexplained="" if contributions else _unexplained(pipeline, row),
        version=str(row.get(VERSION) or ""),
        predictions=said,
        contributions=contributions,
        features=features,
        features_missing=missing,
    )


def _manifest(lake: Lake, pipeline: Pipeline, day: str, newest: str) -> Manifest:
    unit = pipeline.partition
    if day_or_none(day) is None and not (unit is HOUR and is_hour(day)):
        of_hour = ", or of an hour as YYYY-MM-DDTHH" if unit is HOUR else ""
        raise _NotShown(f"{_short(day)} is no day: write it as YYYY-MM-DD{of_hour}.")
    if (manifest := lake.published(PREDICTIONS, day)) is not None:
        return manifest
    if not newest and not pipeline.scoring.enabled:
        raise _NotShown(
            f"This pipeline scores no {unit}s (scoring.enabled is false). Its endpoint explains a row: "
            "add ?explain=true."
        )
    raise _NotShown(
        f"{day} has no predictions: the newest {unit} that has is {newest}."
        if newest
        else f"No {unit} has predictions yet."
    )


def _row(lake: Lake, manifest: Manifest, key: Mapping[str, str]) -> dict[str, Any]:
    row = _first(lake, manifest, key)
    if row is None:
        words = ", ".join(f"{column} {_short(text)}" for column, text in key.items())
        raise _NotShown(f"No row of {manifest.partition} has {words}: {manifest.rows:,} others were predicted.")
    return row


def _features(lake: Lake, manifest: Manifest, key: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    """The features of a row that were predicted from, also where the day was computed again since; or why not."""
    from tidewheel.errors import LakeError

    content = manifest.inputs.get(f"{FEATURES}/{manifest.partition}")
    if content is None:
        return {}, "The predictions do not say which features they are of."
    try:
        row = _first(lake, lake.manifest(FEATURES, manifest.partition, content), key)
    except (LakeError, _NotShown) as error:
        return {}, f"The features cannot be read: {error}"
    if row is None:
        return {}, "The features have no such row."
    return {name: value for name, value in row.items() if name not in key}, ""


def _first(lake: Lake, manifest: Manifest, key: Mapping[str, str]) -> dict[str, Any] | None:
    """The first row with a key; at no time more than a few thousand rows are in memory."""
    from pyarrow.dataset import ParquetFileFormat

    for file in lake.files(manifest):
        with open_verified(lake.store, file) as opened:
            fragment = ParquetFileFormat().make_fragment(opened)
            where = _equals(fragment.physical_schema, key)
            rows = fragment.scanner(filter=where, batch_size=10_000, batch_readahead=1, use_threads=False)
            found = rows.head(1).to_pylist()
        if found:
            return dict(found[0])
    return None


def _equals(schema: pa.Schema, key: Mapping[str, str]) -> pc.Expression:
    import pyarrow.compute as pc

    from tidewheel.lake.key_text import key_type, key_value

    where = pc.scalar(True)
    for column, text in key.items():
        if column not in schema.names:
            raise _NotShown(f"The rows have no column {column}.")
        value = key_value(text, kind := schema.field(column).type)
        if value is None:
            raise _NotShown(f"{_short(text)} cannot be a value of {column}, which is of type {key_type(kind)}.")
        where = where & (pc.field(column) == value)
    return where


def _contributions(row: Mapping[str, Any], features: Mapping[str, Any]) -> list[Contribution]:
    contributions = []
    for name, value in row.items():
        if not name.startswith(FIELD) or value is None:
            continue
        contribution = row.get(f"{CONTRIBUTION}{name.removeprefix(FIELD)}")
        if contribution is not None and math.isfinite(contribution):
            contributions.append((str(value), float(contribution)))
    longest = max((abs(contribution) for _, contribution in contributions), default=0.0)
    drawn = []
    for name, contribution in sorted(contributions, key=lambda one: -abs(one[1])):
        width = abs(contribution) / longest * BAR_WIDTH if longest else 0.0
        x = BAR_WIDTH - (width if contribution < 0 else 0.0)
        drawn.append(Contribution(name, features.get(name), contribution, round(x, 1), round(width, 1)))
    return drawn


def _unexplained(pipeline: Pipeline, row: Mapping[str, Any]) -> str:
    if any(name.startswith(FIELD) for name in row):
        return "The model that predicted this row cannot be explained; the sentence of job `score` says why."
    if pipeline.task == "multiclass":
        return "Predictions of several classes are not explained yet."
    if pipeline.scoring.explain:
        return (
            f"This {pipeline.block} was scored before scoring.explain was set: score it again to see what moved "
            "its predictions."
        )
    return (
        "Batch scoring does not explain its predictions: scoring.explain is 0. Set how many fields it names, and "
        f"score the {pipeline.block} again; or send the row to the endpoint with ?explain=true."
    )


def _short(text: str) -> str:
    return repr(text if len(text) <= LONGEST_KEY else f"{text[:LONGEST_KEY]}...")
