"""A team's project: the files of `tidewheel init`, to which `tidewheel new` adds pipelines."""

from __future__ import annotations

import re
from pathlib import Path

import tidewheel
from tidewheel.errors import UsageError
from tidewheel.project import CODE_FOLDER
from tidewheel.quantities import listing
from tidewheel.scaffold.placing import put_in_place
from tidewheel.scaffold.scaffold import filled
from tidewheel.spec import pipeline_schema

NAMED = 3
"""So many of the files in a folder are named where it should be empty."""
TEMPLATES = {
    Path("README.md"): "project/README.md",
    Path("pyproject.toml"): "project/pyproject.toml.txt",
    Path(".gitignore"): "project/gitignore.txt",
    Path(".github/workflows/ci.yml"): "project/ci.yml",
    Path("dags/.airflowignore"): "project/airflowignore.txt",
    Path("expectations/README.md"): "project/expectations.md",
    CODE_FOLDER / "__init__.py": "project/__init__.py.txt",
}


def init_project(folder: Path) -> list[Path]:
    """Make a project without pipelines.

    Args:
        folder: is made where it is not there; its name becomes the project's.

    Returns:
        The paths written, relative to the folder.

    Raises:
        UsageError: the folder is not empty, or is a file.
        OSError: a file cannot be written; then none is.
    """
    folder = folder.absolute()
    _refuse_occupied(folder)
    words = {"name": project_name(folder), "version": tidewheel.__version__}
    files = {path: filled(template, words) for path, template in TEMPLATES.items()}
    files[Path("docs/pipeline.schema.json")] = pipeline_schema()
    places = list(dict.fromkeys(Path(path.parts[0]) for path in files))
    made = [parent for parent in (folder, *folder.parents) if not parent.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        return put_in_place(files, places, folder, "project")
    except BaseException:
        for parent in made:
            parent.rmdir()
        raise


def project_name(folder: Path) -> str:
    """A name for pyproject.toml: letters, digits, `.`, `_` and `-`, with a letter or digit at both ends."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", folder.resolve().name).strip("._-") or "models"


def _refuse_occupied(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"{folder} is a file, and a project is a folder: choose another name")
    there = sorted(path.name for path in folder.iterdir()) if folder.exists() else []
    if there:
        raise UsageError(
            f"{folder} is not empty: it contains {listing(there, NAMED)}; choose a folder that is empty or "
            "does not exist yet. Nothing was written. In a project that exists, `tidewheel new NAME` adds a pipeline"
        )
