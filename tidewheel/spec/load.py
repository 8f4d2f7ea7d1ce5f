"""Reading pipeline files. A wrong one breaks no other: its errors name file, line, key, found and expected."""

from __future__ import annotations

import json
import logging
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from tidewheel.errors import SpecError, did_you_mean
from tidewheel.partitions import Partitioning
from tidewheel.spec.explain import brief, explain
from tidewheel.spec.partitioning import (
    hourly_name,
    in_partitions,
    in_words_of,
    keys_in_days,
    unit_of,
    weekly_name,
)
from tidewheel.spec.pipeline import Pipeline
from tidewheel.spec.yaml_file import read_document

log = logging.getLogger("tidewheel.spec")


def load_pipeline(path: Path) -> Pipeline:
    """Read and check one pipeline file.

    Raises:
        SpecError: the file is missing, is not YAML, or breaks a rule; every broken rule is named.
    """
    document = read_document(path)
    content = document.content
    if not isinstance(content, dict):
        raise SpecError(f"{path}: expected keys such as name, source, labels, features; found {brief(content)}")
    lines, unit = document.lines, unit_of(content)
    if unit is not Partitioning.DAY:
        if wrong := keys_in_days(Pipeline, content, lines):
            raise SpecError("\n  ".join([f"{path} is not a valid pipeline:", *wrong]))
        content, lines = in_partitions(Pipeline, content, lines)
    try:
        pipeline = Pipeline.model_validate(content)
    except ValidationError as error:
        wrong = explain(Pipeline, content, lines, error.errors(include_url=False))
        wrong = [in_words_of(unit, sentence) for sentence in wrong]
        raise SpecError("\n  ".join([f"{path} is not a valid pipeline:", *wrong])) from None
    if pipeline.name != path.stem:
        raise SpecError(f"{path}: name is {pipeline.name!r}, but the file is called {path.stem!r}; make them the same")
    return pipeline


def find_pipeline(folder: Path, name: str) -> Pipeline:
    """Read the pipeline `name` of a folder.

    Raises:
        SpecError: there is none of that name, or its file is wrong.
    """
    path = folder / f"{name}.yaml"
    if not path.exists():
        known = [p.stem for p in pipeline_files(folder)]
        listed = ", ".join(known) or "none"
        if (other := path.with_suffix(".yml")).exists():
            raise SpecError(f"no pipeline {name!r}: {other} is not looked at; rename it to {path.name}")
        raise SpecError(f"no pipeline {name!r} in {folder} (there: {listed}){did_you_mean(name, known)}")
    return load_pipeline(path)


def pipeline_files(folder: Path) -> list[Path]:
    """All pipeline files of a folder, by name; hidden ones are an editor's."""
    return sorted(file for file in folder.glob("*.yaml") if not file.name.startswith("."))


def declared_pipelines(folder: Path) -> dict[str, Pipeline | None]:
    """The pipelines of a folder by name, each file read again only when it has changed; None for an unreadable one."""
    return {file.stem: _declared(file, _changed(file)) for file in pipeline_files(folder)}


def _changed(file: Path) -> int:
    try:
        return file.stat().st_mtime_ns
    except OSError:  # a link that leads nowhere
        return 0


@lru_cache(maxsize=10_000)
def _declared(file: Path, changed: int) -> Pipeline | None:
    try:
        return load_pipeline(file)
    except (SpecError, OSError) as error:
        log.warning("%s is ignored until its file is right: %s", file.stem, error)
        return None


def pipeline_schema() -> str:
    """The JSON Schema of a pipeline file, for editors."""
    schema = Pipeline.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    for section in (schema, *schema["$defs"].values()):
        fields = section.get("properties", {})
        for name in [name for name in fields if weekly_name(name) != name]:
            weekly = in_words_of(Partitioning.WEEK, fields[name]["description"])
            others = {weekly_name(name): f"in place of {name} where `partition: week`: {weekly}"}
            if hourly_name(name) != name:
                others[hourly_name(name)] = f"in place of {name} where `partition: hour`"
            for other, words in others.items():
                fields[other] = {**fields[name], "description": words, "title": other}
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"
