"""The files of a new pipeline for data that is there: declaration, code and suites."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from tidewheel.project import CODE_FOLDER, FORK_CODE_FOLDER
from tidewheel.scaffold.guess import GuessedFeatures
from tidewheel.scaffold.profile import kind_of
from tidewheel.scaffold.rules import Profile, suites
from tidewheel.scaffold.sample import NULLS, TIME_FORMATS, Sample, engine_of
from tidewheel.scaffold.scaffold import TEST_FILE, Scaffold, checked_name, filled, pipeline_words
from tidewheel.spec.gate import Gate

if TYPE_CHECKING:
    from tidewheel.scaffold.profile import Column
    from tidewheel.spec.pipeline import Task

CLOCK = {"hour": "hour", "day_of_week": "dayofweek"}
"""Features that every event time gives, and Spark's functions for them."""
FIRST_MODEL_DAYS = 4
"""Of so many days of history, one is held out for the gate."""
GATE_DAYS: int = Gate.model_fields["minimum_days"].default
"""The gate decides nothing on fewer days."""


@dataclass(frozen=True)
class Decided:
    """All that a pipeline for a sample needs to know."""

    key: tuple[str, ...]
    event_time: str
    label: str
    task: Task
    delay_days: int
    features: GuessedFeatures


def plan_brought(
    name: str, sample: Sample, profile: Profile, decided: Decided, code: Path = FORK_CODE_FOLDER
) -> Scaffold:
    """The files of a new pipeline that reads the data of a sample, with its code in a package of the folder `code`.

    Raises:
        UsageError: the name cannot be a pipeline's.
    """
    checked_name(name)
    clock = _clock(profile.columns, decided)
    words = pipeline_words(name, code)
    declared = declaration(name, sample, profile, decided, list(clock), words["package"])
    package, expectations = code / name, Path("expectations") / name
    made = {
        package / "__init__.py": filled("__init__.py.txt", words),
        package / "transform.py": filled("brought_transform.py.txt", {**words, "rows": _transform(clock, decided)}),
        Path("dags") / f"{name}.yaml": yaml_text(declared),
        Path("dags") / f"{name}.py": filled("dag.py.txt", words),
    }
    if sample.kind == "file":
        made[package / "reader.py"] = filled("brought_reader.py.txt", {**words, **_reader_words(sample, decided)})
    if code == CODE_FOLDER and sample.kind != "database":
        tested = {"key": _literal(list(decided.key)), "day": min(profile.rows)}
        made[package / TEST_FILE] = filled("test_pipeline.py.txt", tested)
    label = profile.columns[decided.label]
    numeric = [*decided.features.numeric, *clock]
    for suite, content in suites(name, profile, label, decided.task, numeric, decided.features.categorical).items():
        made[expectations / f"{suite}.json"] = suite_text(content)
    return Scaffold(name, made, code)


def declaration(
    name: str, sample: Sample, profile: Profile, decided: Decided, clock: Sequence[str], package: str
) -> dict[str, Any]:
    """The content of the pipeline file."""
    days, rows = len(profile.rows), sum(profile.rows.values())
    holdout = max(GATE_DAYS, min(7, days // FIRST_MODEL_DAYS))
    rows_reader, labels_reader = _readers(f"{package}.{name}.reader", sample, profile, decided)
    gaps = (max(profile.rows) - min(profile.rows)).days + 1 > days
    declared: dict[str, Any] = {
        "name": name,
        "description": f"Predicts {decided.label} from {sample.origin}.",
        "owner": {"team": name},
        "task": decided.task,
        "source": {
            "reader": rows_reader,
            "event_time": decided.event_time,
            "entity_key": list(decided.key),
            "start": min(profile.rows),
            **({"empty_days": "skip"} if gaps and sample.kind != "files" else {}),
        },
        "labels": {
            "reader": labels_reader,
            "column": decided.label,
            **({"classes": profile.columns[decided.label].classes} if decided.task == "multiclass" else {}),
            "delay_days": decided.delay_days,
        },
        "features": {
            "transform": f"{package}.{name}.transform:features",
            "numeric": [*decided.features.numeric, *clock],
            "categorical": list(decided.features.categorical),
        },
        "training": {
            "holdout_days": holdout,
            "minimum_rows": max(10, min(1000, rows // FIRST_MODEL_DAYS)),
        },
    }
    return declared


def yaml_text(declared: Mapping[str, Any]) -> str:
    """A pipeline file."""
    yaml = YAML()
    yaml.default_flow_style = None  # what holds no mapping stands in one line
    yaml.width = 120
    text = io.StringIO()
    yaml.dump(dict(declared), text)
    return f"# yaml-language-server: $schema=../docs/pipeline.schema.json\n{text.getvalue()}"


def suite_text(suite: Mapping[str, Any]) -> str:
    """A suite, as the files of the others are written."""
    return json.dumps(suite, indent=2, ensure_ascii=False, default=str) + "\n"


def _readers(module: str, sample: Sample, profile: Profile, decided: Decided) -> tuple[dict[str, Any], dict[str, Any]]:
    if sample.kind == "file":
        return {"kind": "python", "function": f"{module}:rows"}, {"kind": "python", "function": f"{module}:labels"}
    if sample.kind == "files":
        reader = {"kind": sample.format, "path": sample.path, **sample.dialect.keys}
        return reader, dict(reader)
    engine = engine_of(sample.variable)
    quote, dialect = engine.dialect.identifier_preparer.quote, engine.dialect.name
    engine.dispose()
    time = quote(decided.event_time)
    day = f"date({time})" if dialect == "sqlite" else f"cast({time} as date)"

    def values_of(columns: Sequence[str]) -> dict[str, Any]:
        names = ", ".join(quote(column) for column in columns)
        query = f"select {names} from ({sample.query}) as source where {day} = :partition"  # noqa: S608  a person's own
        return {"kind": "sql", "url_variable": sample.variable, "query": query}

    return values_of([c for c in profile.columns if c != decided.label]), values_of([*decided.key, decided.label])


def _clock(columns: Mapping[str, Column], decided: Decided) -> dict[str, str]:
    """Features of the event time; of a column of dates alone there is no hour."""
    functions = {name: function for name, function in CLOCK.items() if name not in columns}
    if columns[decided.event_time].type.startswith("date"):
        functions.pop("hour", None)
    return functions


def _transform(clock: Mapping[str, str], decided: Decided) -> str:
    added = [f'.withColumn("{name}", F.{function}({_literal(decided.event_time)}))' for name, function in clock.items()]
    text = (
        "inputs.rows"
        if not added
        else "(\n        inputs.rows" + "".join(f"\n        {one}" for one in added) + "\n    )"
    )
    return text


def _reader_words(sample: Sample, decided: Decided) -> dict[str, object]:
    """What the template of a reader of one file is filled with."""
    import pyarrow as pa

    known = {"string": "pa.string()", "large_string": "pa.string()", "int64": "pa.int64()", "double": "pa.float64()"}
    types = {}
    for field in sample.table.schema:
        if field.name in decided.key or field.name in sample.written_numbers or pa.types.is_null(field.type):
            types[field.name] = "pa.string()"
        elif str(field.type) in known:
            types[field.name] = known[str(field.type)]
        elif field.name in sample.time_formats or kind_of(field.type) == "time":
            types[field.name] = 'pa.timestamp("us", "UTC")' if getattr(field.type, "tz", None) else 'pa.timestamp("us")'
        elif pa.types.is_boolean(field.type):
            types[field.name] = "pa.bool_()"
    formats = sorted(set(sample.time_formats.values()))
    usual = [one for one in TIME_FORMATS[:2] if sample.format == "csv"]
    return {
        "file": sample.path,
        "imports": "from pyarrow import csv" if sample.format == "csv" else "import pyarrow.parquet as pq",
        "numbers": _numbers(sample),
        "times": _times(sample, decided.event_time),
        "event_time": _literal(decided.event_time),
        "key": _literal(list(decided.key)),
        "label": _literal(decided.label),
        "types": "\n".join(f"    {_literal(name)}: {kind}," for name, kind in types.items()),
        "read": _read_words(sample, [*formats, *usual]),
    }


def _literal(value: str | Sequence[str] | None) -> str:
    """A Python literal with double quotes."""
    return json.dumps(value, ensure_ascii=False)


def _times(sample: Sample, event_time: str) -> str:
    """What makes the event time a timestamp in microseconds."""
    if sample.format == "parquet" and event_time in sample.time_formats:
        written = _literal(sample.time_formats[event_time])
        return f'pc.strptime(table[EVENT_TIME], format={written}, unit="us")'
    zone = getattr(sample.table.schema.field(event_time).type, "tz", None)
    return f'table[EVENT_TIME].cast(pa.timestamp("us", {_literal(zone)}), safe=False)'.replace("null", "None")


def _numbers(sample: Sample) -> str:
    """What turns text such as 1.234,50 into numbers, where there is any."""
    if not sample.written_numbers:
        return ""
    thousands, decimal = sample.dialect.thousands, sample.dialect.decimal
    return (
        f"        for name in {_literal(sorted(sample.written_numbers))}:\n"
        f'            digits = pc.replace_substring(table[name], {_literal(thousands)}, "")\n'
        f'            number = pc.replace_substring(digits, {_literal(decimal)}, ".").cast(pa.float64())\n'
        "            table = table.set_column(table.column_names.index(name), name, number)\n"
    )


def _read_words(sample: Sample, formats: Sequence[str]) -> str:
    if sample.format == "parquet":
        return "pq.read_table(path)"
    dialect = sample.dialect
    return (
        "csv.read_csv(\n"
        "            path,\n"
        f"            read_options=csv.ReadOptions(encoding={_literal(dialect.encoding)}),\n"
        "            parse_options=csv.ParseOptions("
        f"delimiter={_literal(dialect.delimiter)}, newlines_in_values=True),\n"
        "            convert_options=csv.ConvertOptions(\n"
        "                column_types=TYPES,\n"
        f"                decimal_point={_literal(dialect.decimal)},\n"
        f"                timestamp_parsers=[csv.ISO8601{''.join(f', {_literal(one)}' for one in formats)}],\n"
        f"                null_values={_literal(NULLS)},\n"
        "                strings_can_be_null=True,\n"
        "            ),\n"
        "        )"
    )
