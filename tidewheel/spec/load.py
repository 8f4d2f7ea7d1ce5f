"""Reading pipeline files. A wrong one breaks no other: its errors name file, line, key, found and expected."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError

from tidewheel.errors import SpecError, did_you_mean
from tidewheel.spec.explain import brief, explain
from tidewheel.spec.pipeline import Pipeline


def load_pipeline(path: Path) -> Pipeline:
    """Read and check one pipeline file.

    Raises:
        SpecError: the file is missing, is not YAML, or breaks a rule; every broken rule is named.
    """
    content = _read(path, "safe")
    if not isinstance(content, dict):
        raise SpecError(f"{path}: expected keys such as name, source, labels, features; found {brief(content)}")
    try:
        pipeline = Pipeline.model_validate(content)
    except ValidationError as error:
        # Read a second time, now with line numbers: it is five times as slow, and only a wrong file needs it.
        wrong = explain(Pipeline, _read(path, "rt"), error.errors(include_url=False))
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
    """All pipeline files of a folder, by name."""
    return sorted(folder.glob("*.yaml"))


def pipeline_schema() -> str:
    """The JSON Schema of a pipeline file, for editors."""
    schema = Pipeline.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return json.dumps(schema, indent=2, sort_keys=True) + "\n"


def _read(path: Path, loader: Literal["safe", "rt"]) -> Any:
    try:
        return YAML(typ=loader).load(path)
    except FileNotFoundError:
        raise SpecError(f"{path}: no such pipeline file") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    except DuplicateKeyError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SpecError(f"{path}: {place}{error.problem}; keep one of the two") from None
    except (YAMLError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid YAML: {error}") from None
    except ValueError as error:  # ruamel makes dates and numbers of what looks like them
        raise SpecError(f"{path}: a value is written like a date or a number and is none: {error}") from None
    except RecursionError:
        raise SpecError(f"{path}: lists and keys lie deeper in each other than in any pipeline") from None
