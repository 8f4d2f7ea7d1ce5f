"""The suites of a pipeline that is there, made anew from what was landed or from a file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.errors import UsageError
from tidewheel.project import package_of
from tidewheel.scaffold.guess import check_label, need
from tidewheel.scaffold.profile import columns_of, daily, days_of
from tidewheel.scaffold.rules import Profile, merged, rule_words, suites
from tidewheel.scaffold.scaffold import plan_pipeline
from tidewheel.spec.sections import PythonReader

if TYPE_CHECKING:
    import pyarrow as pa

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

Suite = dict[str, Any]


def remade(
    pipeline: Pipeline, settings: Settings, rows: pa.Table | None, days: int, *, keep: bool
) -> dict[str, tuple[Suite, Suite]]:
    """Each suite as it is and as it would be, by name.

    Args:
        pipeline: whose suites.
        settings: where its lake and its suites are.
        rows: data to profile; None: what was published in the lake.
        days: newest published days to look at.
        keep: keep the rules that were written or changed by hand.

    Raises:
        UsageError: there is nothing to profile, or the data is not the pipeline's.
    """
    rows = _landed(pipeline, settings, days) if rows is None else rows
    columns = columns_of(rows)
    label, event_time = pipeline.labels.column, pipeline.source.event_time
    for name in (*pipeline.key, event_time, label):
        need(name, columns, "the pipeline's column")
    if classes := pipeline.labels.classes:  # a rare class may be missing from the newest days
        columns[label] = replace(columns[label], values=tuple(classes), distinct=len(classes))
    check_label(columns[label], pipeline.task)
    if columns[label].kind == "boolean":
        columns[label] = replace(columns[label], kind="number")
    counts, by_day = daily(rows, days_of(rows, event_time))
    profile = Profile(pipeline.key, event_time, counts, columns, by_day)
    features = pipeline.features
    new = suites(pipeline.name, profile, columns[label], pipeline.task, features.numeric, features.categorical)
    folder = settings.expectations_folder / pipeline.name
    found = {}
    for name, suite in new.items():
        old = _read(folder / f"{name}.json")
        found[name] = (old, merged(old, suite, keep=keep))
    return found


def changes(old: Suite, new: Suite) -> list[str]:
    """Rules that go, with a minus, and rules that come, with a plus."""
    before, after = ([rule_words(rule) for rule in suite.get("expectations", [])] for suite in (old, new))
    return [
        *(f"- {rule}" for rule in before if rule not in after),
        *(f"+ {rule}" for rule in after if rule not in before),
    ]


def unused_reader(pipeline: Pipeline, settings: Settings) -> Path | None:
    """The sample's `reader.py` as `tidewheel new` wrote it, where the pipeline reads by none of its functions."""
    code, project = settings.code_folder, settings.project
    path = code / pipeline.name / "reader.py"
    readers = (pipeline.source.reader, pipeline.labels.reader)
    module = f"{package_of(code)}.{pipeline.name}.reader:"
    if any(isinstance(one, PythonReader) and one.function.startswith(module) for one in readers):
        return None
    if not (project / path).exists() or (project / path).read_text() != plan_pipeline(pipeline.name, code).files[path]:
        return None
    return path


def _landed(pipeline: Pipeline, settings: Settings, days: int) -> pa.Table:
    """The newest published rows that have their labels, with them."""
    import pyarrow as pa

    from tidewheel.lake import Lake

    lake = Lake.open(pipeline.name, settings)
    labelled = set(lake.partitions("labels"))
    newest = [day for day in lake.partitions("landing") if day in labelled][-days:]
    if not newest:
        raise UsageError(
            f"no day of {pipeline.name} is published with its labels: land one first, or name a file, a folder or a "
            "database "
            "with --from"
        )
    key = pipeline.key
    joined = []
    for day in newest:
        rows, labels = lake.read(lake.need("landing", day)), lake.read(lake.need("labels", day))
        rows = rows.drop_columns([name for name in [pipeline.labels.column] if name in rows.column_names])
        joined.append(rows.join(labels.select([*key, pipeline.labels.column]), keys=key, join_type="left outer"))
    return pa.concat_tables(joined, promote_options="permissive")


def _read(path: Path) -> Suite:
    if not path.exists():
        return {}
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UsageError(f"{path} is no JSON: {error}; correct it, or remove it") from error
    if not isinstance(document, dict) or not isinstance(document.get("expectations", []), list):
        raise UsageError(f"{path} is no expectation suite; correct it, or remove it")
    return document
