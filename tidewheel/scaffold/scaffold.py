"""Planning and writing the files of a new pipeline."""

from __future__ import annotations

import keyword
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from string import Template

from tidewheel.errors import UsageError
from tidewheel.project import CODE_FOLDER, FORK_CODE_FOLDER, package_of
from tidewheel.scaffold.placing import put_in_place
from tidewheel.spec.sections import NAME, PATTERNS

TEST_FILE = "test_pipeline.py"
SAMPLE_DAY = "2026-01-15"
"""The day that the test of a pipeline on sample data reads; the sample has every day."""


@dataclass(frozen=True)
class Scaffold:
    """The files of a new pipeline by path relative to the project, and the places that must still be free."""

    name: str
    files: Mapping[Path, str]
    code: Path = FORK_CODE_FOLDER

    @property
    def places(self) -> list[Path]:
        """What is put in place in one move each: folders as a whole. The DAG file is last, for Airflow watches it."""
        return [
            self.code / self.name,
            Path("expectations") / self.name,
            Path("dags") / f"{self.name}.yaml",
            Path("dags") / f"{self.name}.py",
        ]


def checked_name(name: str) -> str:
    """A pipeline's name.

    Raises:
        UsageError: it cannot be one.
    """
    if not re.fullmatch(NAME, name):
        near = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
        hint = f", for example {near[:63]!r}" if near else ""
        raise UsageError(f"{name!r} cannot be a pipeline's name: expected {PATTERNS[NAME]}{hint}")
    if keyword.iskeyword(name):
        raise UsageError(f"{name!r} cannot be a pipeline's name: it is a word of Python's, and its code is a package")
    if name in ("false", "null", "true"):
        raise UsageError(f"{name!r} cannot be a pipeline's name: in a YAML file it is no text; expected another word")
    return name


def plan_pipeline(name: str, code: Path = FORK_CODE_FOLDER) -> Scaffold:
    """The files of a new pipeline on sample data.

    Args:
        name: of the pipeline.
        code: folder of the pipelines' code, relative to the project.

    Raises:
        UsageError: the name cannot be a pipeline's.
    """
    checked_name(name)
    words = {**pipeline_words(name, code), "key": '["order_id"]', "day": SAMPLE_DAY}
    package, expectations = code / name, Path("expectations") / name
    places = {
        package / "__init__.py": "__init__.py.txt",
        package / "reader.py": "reader.py.txt",
        package / "transform.py": "transform.py.txt",
        expectations / "raw.json": "raw.json",
        expectations / "labels.json": "labels.json",
        expectations / "features.json": "features.json",
        expectations / "predictions.json": "predictions.json",
        Path("dags") / f"{name}.yaml": "pipeline.yaml",
        Path("dags") / f"{name}.py": "dag.py.txt",
    }
    if code == CODE_FOLDER:
        places[package / TEST_FILE] = "test_pipeline.py.txt"
    return Scaffold(name, {path: filled(template, words) for path, template in places.items()}, code)


def pipeline_words(name: str, code: Path) -> dict[str, str]:
    """What the templates of a pipeline are filled with."""
    return {"name": name, "title": name.replace("_", " ").capitalize(), "package": package_of(code)}


def write_pipeline(scaffold: Scaffold, project: Path) -> list[Path]:
    """Put the files in place; where anything goes wrong, nothing is left.

    Args:
        scaffold: the files.
        project: folder that holds dags/, expectations/ and the folder of the pipelines' code.

    Returns:
        The paths written, relative to the project.

    Raises:
        UsageError: the folder is no project, or something of that name is there already.
    """
    for room in ("dags", str(scaffold.code), "expectations"):
        if not (project / room).is_dir():
            raise UsageError(
                f"{project} has no folder {room}/, so it is no Tidewheel project; "
                "go to the project's folder, or set TIDEWHEEL_PROJECT to it"
            )
    if there := [str(place) for place in scaffold.places if (project / place).exists()]:
        raise UsageError(
            f"pipeline {scaffold.name!r} is there already ({', '.join(there)}): choose another name, or remove them"
        )
    return put_in_place(scaffold.files, scaffold.places, project, scaffold.name)


def filled(template: str, words: Mapping[str, object]) -> str:
    """A template of this package, with words in place of its `$` names."""
    text = (files("tidewheel.scaffold") / "templates" / template).read_text(encoding="utf-8")
    return Template(text).substitute(words)
