"""Reading pipeline files, with errors that name the file, the key, what was found and what was expected."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tidewheel.errors import SpecError, did_you_mean
from tidewheel.spec.pipeline import Pipeline

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


def load_pipeline(path: Path) -> Pipeline:
    """Read and check one pipeline file.

    Raises:
        SpecError: the file is missing, is not YAML, or breaks a rule; every broken rule is named.
    """
    try:
        content = YAML(typ="safe").load(path)
    except FileNotFoundError:
        raise SpecError(f"{path}: no such pipeline file") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid YAML: {error}") from None
    if not isinstance(content, dict):
        raise SpecError(f"{path}: expected keys such as name, source, labels, features; found {_brief(content)}")
    try:
        pipeline = Pipeline.model_validate(content)
    except ValidationError as error:
        wrong = "\n".join(f"  {_explain(detail)}" for detail in error.errors(include_url=False))
        raise SpecError(f"{path} is not a valid pipeline:\n{wrong}") from None
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
        raise SpecError(f"no pipeline {name!r} in {folder} (there: {listed}){did_you_mean(name, known)}")
    return load_pipeline(path)


def pipeline_files(folder: Path) -> list[Path]:
    """All pipeline files of a folder, by name."""
    return sorted(folder.glob("*.yaml"))


def pipeline_schema() -> str:
    """The JSON Schema of a pipeline file, for editors."""
    schema = Pipeline.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _explain(detail: ErrorDetails) -> str:
    """One broken rule in a sentence: key, what was found, what was expected."""
    key = ".".join(str(part) for part in detail["loc"]) or "file"
    match detail["type"]:
        case "missing":
            return f"{key}: missing; expected {_expected(detail['loc'])}"
        case "extra_forbidden":
            known = list(_fields_at(detail["loc"][:-1]))
            return f"{key}: unknown key{did_you_mean(str(detail['loc'][-1]), known)} (known here: {', '.join(known)})"
        case "union_tag_not_found" | "union_tag_invalid":
            return f"{key}: {detail['msg']}"
        case _:
            return f"{key}: found {_brief(detail['input'])}; {detail['msg']}"


def _expected(location: tuple[int | str, ...]) -> str:
    field = _fields_at(location[:-1]).get(str(location[-1]))
    return field.description if field is not None and field.description else "a value"


def _fields_at(location: tuple[int | str, ...]) -> Mapping[str, Any]:
    """The fields a file may have at a place, following the models (and a union by its tag)."""
    model: type[BaseModel] = Pipeline
    union: list[type[BaseModel]] = []
    for part in location:
        if part in model.model_fields:
            models = list(_models_in(model.model_fields[str(part)].annotation))
            if not models:
                return {}
            union, model = models, models[0]
        else:
            tagged = [m for m in union if part in get_args(m.model_fields["kind"].annotation)] if union else []
            if not tagged:
                return {}
            model = tagged[0]
    return model.model_fields


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
