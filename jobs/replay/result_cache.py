"""What a replay has computed, stored by all that it depends on, so that a stopped one continues where it was."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib

from jobs.models.lineage import installed
from tidewheel.home_cleanup import mark_used

PACKAGES = ("catboost", "lightgbm", "numpy", "pandas", "scikit-learn", "xgboost", "xgboost-cpu")


def fingerprint(*rooms: ModuleType) -> str:
    """The code of some modules (of a package: of all its modules) and the versions of what computes, as one hash."""
    digest = hashlib.sha256()
    for room in rooms:
        place = Path(str(room.__file__))
        for file in sorted(place.parent.rglob("*.py")) if place.name == "__init__.py" else [place]:
            digest.update(file.read_bytes())
    digest.update("".join(f"{package}=={version}" for package, version in installed(PACKAGES).items()).encode())
    return digest.hexdigest()


def content_key(depends_on: Mapping[str, object]) -> str:
    """One name for everything that a result depends on."""
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode()).hexdigest()


class ResultCache:
    """A folder of results by key. Two processes may write the same one: the last is as good as the first.

    Args:
        folder: belongs to this installation, as its models do: what is in it is unpickled.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, kind: str, key: str) -> Any | None:
        """The result stored under a key, or None."""
        path = self._path(kind, key)
        try:
            mark_used(path)
            return joblib.load(path)
        except FileNotFoundError:
            return None

    def put(self, kind: str, key: str, result: object) -> None:
        """Store a result, in one step."""
        path = self._path(kind, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, fresh = tempfile.mkstemp(dir=path.parent)
        os.close(handle)
        joblib.dump(result, fresh, compress=1)
        Path(fresh).replace(path)

    def _path(self, kind: str, key: str) -> Path:
        return self.folder / kind / f"{key}.joblib"
