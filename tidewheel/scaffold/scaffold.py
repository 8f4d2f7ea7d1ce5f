"""Planning and writing the files of a new pipeline: all of them appear, or none."""

from __future__ import annotations

import keyword
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template
from uuid import uuid4

from tidewheel.errors import UsageError
from tidewheel.spec.sections import NAME, PATTERNS


@dataclass(frozen=True)
class Scaffold:
    """The files of a new pipeline by path relative to the project, and the places that must still be free."""

    name: str
    files: Mapping[Path, str]

    @property
    def places(self) -> list[Path]:
        """What is put in place in one move each: folders as a whole. The DAG file is last, for Airflow watches it."""
        return [
            Path("jobs/pipelines") / self.name,
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


def plan_pipeline(name: str) -> Scaffold:
    """The files of a new pipeline on sample data.

    Raises:
        UsageError: the name cannot be a pipeline's.
    """
    checked_name(name)
    words = {"name": name, "title": name.replace("_", " ").capitalize()}
    templates = files("tidewheel.scaffold") / "templates"
    code, expectations = Path("jobs/pipelines") / name, Path("expectations") / name
    places = {
        code / "__init__.py": "__init__.py.txt",
        code / "reader.py": "reader.py.txt",
        code / "transform.py": "transform.py.txt",
        expectations / "raw.json": "raw.json",
        expectations / "labels.json": "labels.json",
        expectations / "features.json": "features.json",
        expectations / "predictions.json": "predictions.json",
        Path("dags") / f"{name}.yaml": "pipeline.yaml",
        Path("dags") / f"{name}.py": "dag.py.txt",
    }
    return Scaffold(name, {path: _filled(templates / template, words) for path, template in places.items()})


def write_pipeline(scaffold: Scaffold, project: Path) -> list[Path]:
    """Put the files in place; where anything goes wrong, nothing is left.

    Args:
        scaffold: the files.
        project: folder that holds dags/, jobs/ and expectations/.

    Returns:
        The paths written, relative to the project.

    Raises:
        UsageError: the folder is no project, or something of that name is there already.
    """
    for room in ("dags", "jobs/pipelines", "expectations"):
        if not (project / room).is_dir():
            raise UsageError(
                f"{project} has no folder {room}/, so it is no Tidewheel project; "
                "go to the project's folder, or set TIDEWHEEL_PROJECT to it"
            )
    if there := [str(place) for place in scaffold.places if (project / place).exists()]:
        raise UsageError(
            f"pipeline {scaffold.name!r} is there already ({', '.join(there)}): choose another name, or remove them"
        )
    # Inside the project, so that moving is renaming: the same file system.
    draft = project / f".new-{scaffold.name}-{uuid4().hex[:8]}"
    moved: list[Path] = []
    try:
        for path, content in scaffold.files.items():
            (draft / path).parent.mkdir(parents=True, exist_ok=True)
            (draft / path).write_text(content, encoding="utf-8")
        for place in scaffold.places:
            (draft / place).rename(project / place)
            moved.append(project / place)
    except BaseException:  # Ctrl-C too
        for path in moved:
            _remove(path)
        raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return sorted(scaffold.files)


def _filled(template: Traversable, words: Mapping[str, str]) -> str:
    return Template(template.read_text(encoding="utf-8")).substitute(words)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
