"""What a project is: a folder with dags/, and the code of its pipelines in one of two places.

A team's project, as `tidewheel init` makes it, has the code in `pipelines/<name>/`, and Tidewheel is installed. In
Tidewheel's own repository, and in a fork of it, the code is in `jobs/pipelines/<name>/`.
"""

from __future__ import annotations

import re
import sysconfig
from pathlib import Path

import tidewheel

CODE_FOLDER, FORK_CODE_FOLDER = Path("pipelines"), Path("jobs/pipelines")
INSTALLED = Path(tidewheel.__file__).resolve().parents[1]
"""The folder that holds the packages tidewheel, jobs, plugins, bentos and infra: site-packages, or a checkout."""
PLUGIN = Path("plugins/tidewheel_plugin.py")


def is_project(folder: Path) -> bool:
    """Whether a folder holds pipelines and their code."""
    return (folder / "dags").is_dir() and any((folder / code).is_dir() for code in (CODE_FOLDER, Path("jobs")))


def no_project(folder: Path) -> str:
    """What to say where a project is needed and none is there."""
    return (
        f"{folder} is no Tidewheel project, which has the folders dags/ and pipelines/ (in a fork: jobs/), and none "
        "lies above it; go to the project's folder, set TIDEWHEEL_PROJECT to it, or make one with `tidewheel init NAME`"
    )


def code_folder(project: Path) -> Path:
    """Folder of the pipelines' code, one package a pipeline, relative to the project; its parts are the package."""
    return CODE_FOLDER if (project / CODE_FOLDER).is_dir() else FORK_CODE_FOLDER


def package_of(code: Path) -> str:
    """Python's name for a code folder: `pipelines`, or `jobs.pipelines`."""
    return ".".join(code.parts)


def with_package_renamed(text: str, code: Path, old: str, new: str) -> str:
    """A text in which the package of one pipeline has the name of another, such as `pipelines.old.transform:features`.

    Args:
        text: of a module or of a pipeline file.
        code: folder of the pipelines' code, relative to the project.
        old: the package's name so far.
        new: its new name.
    """
    package = package_of(code)
    return re.sub(rf"(?<![.\w]){re.escape(package)}\.{old}\b", f"{package}.{new}", text)


def installed_path() -> list[str]:
    """What PYTHONPATH needs for a process to import Tidewheel: nothing where it is installed.

    Python looks into site-packages anyway; named here, all installed modules would come before the standard library's.
    """
    site_packages = {Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")}
    return [] if INSTALLED in site_packages else [str(INSTALLED)]


def import_path(project: Path) -> list[str]:
    """What PYTHONPATH needs for a process to import a project's code and Tidewheel; a fork's own packages are used."""
    return list(dict.fromkeys([str(project), *installed_path()]))


def plugins_folder(project: Path) -> Path:
    """Airflow's plugins folder: a fork's own, or the installed one."""
    return (project if (project / PLUGIN).exists() else INSTALLED) / PLUGIN.parent
