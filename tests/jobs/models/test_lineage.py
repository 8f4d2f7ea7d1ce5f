"""What a version is made of, as far as it can be told without training one."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from typing import TYPE_CHECKING

from jobs.models import lineage

if TYPE_CHECKING:
    import pytest


def test_xgboost_may_be_installed_as_the_package_that_knows_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    there = {"numpy": "2.0", "xgboost": "3.2"}

    def version(package: str) -> str:
        if package not in there:
            raise PackageNotFoundError(package)
        return there[package]

    monkeypatch.setattr(lineage, "version", version)

    assert lineage.installed(["numpy", "xgboost-cpu", "xgboost"]) == there
