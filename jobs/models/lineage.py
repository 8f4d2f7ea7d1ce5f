"""What a version was made of, stored with it, so that it can be made again and a difference be explained."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from tidewheel.spec import Pipeline

if TYPE_CHECKING:
    from pathlib import Path

LOCK_FILES = ("requirements.lock", "uv.lock")
PACKAGES = (
    "catboost",
    "lightgbm",
    "numpy",
    "pandas",
    "pyarrow",
    "scikit-learn",
    "scipy",
    "torch",
    "xgboost",
    "xgboost-cpu",
)
"""Packages whose version can change a model; the lock's hash stands for all others."""


class Environment(BaseModel):
    """Where a model was fitted."""

    model_config = ConfigDict(frozen=True)

    code_version: str = Field(description="the commit of the project")
    lock_hash: str = Field(description="sha256 of requirements.lock or uv.lock; empty where the project has neither")
    python: str
    machine: str
    cores: int
    packages: dict[str, str]

    def differences(self, other: Environment) -> list[str]:
        """What differs, in sentences: ours first, then the other's."""
        mine, theirs = (_flat(environment.model_dump()) for environment in (self, other))
        names = sorted(mine.keys() | theirs.keys())
        return [
            f"{name}: {mine.get(name) or 'none'}, now {theirs.get(name) or 'none'}"
            for name in names
            if mine.get(name) != theirs.get(name)
        ]


class WarmStarted(BaseModel):
    """What a version went on from."""

    model_config = ConfigDict(frozen=True)

    version: str = Field(description="the predecessor")
    rounds: int = Field(description="that were added")
    number: int = Field(description="of warm starts in a row, this one included")
    judged: bool = Field(default=False, description="from the twin that the gate judged, not from what served")


class Lineage(BaseModel):
    """Everything but the data, which `training_data.json` names by hash."""

    model_config = ConfigDict(frozen=True)

    pipeline: dict[str, Any] = Field(description="the declaration, with the parameters that were used")
    environment: Environment
    device: str
    warm: WarmStarted | None = Field(default=None, description="what it went on from; null: fitted from nothing")

    def declaration(self) -> Pipeline:
        """The pipeline as it was declared."""
        return Pipeline.model_validate(self.pipeline)


def environment(project: Path, code_version: str) -> Environment:
    """The environment of this process.

    Args:
        project: folder that holds a lock file.
        code_version: the commit of the project.
    """
    lock = next((lock for name in LOCK_FILES if (lock := project / name).exists()), None)
    return Environment(
        code_version=code_version,
        lock_hash=hashlib.sha256(lock.read_bytes()).hexdigest() if lock else "",
        python=platform.python_version(),
        machine=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        packages=installed(PACKAGES),
    )


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are there: XGBoost comes as one of two, for CPUs alone or for GPUs too."""
    versions = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            versions[package] = version(package)
    return versions


def _flat(values: dict[str, Any]) -> dict[str, str]:
    packages = values.pop("packages")
    return {name.replace("_", " "): str(value) for name, value in {**values, **packages}.items()}
