"""The named estimators, for tests that are run with each of them."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from jobs.training.families import FAMILIES

needs_torch = pytest.mark.skipif(
    find_spec("torch") is None, reason="torch is not installed: pip install 'tidewheel[torch]'"
)


def marked(name: str) -> object:
    """A name as pytest takes it: skipped where its library is not there."""
    return pytest.param(name, marks=needs_torch) if name == "tabular_net" else name


NAMED = [marked(name) for name in FAMILIES]
