"""Lets pandas seem not to be installed: Arrow imports it, 50 MB, wherever it finds it."""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


class WithoutPandas(MetaPathFinder):
    """A finder that stands before all others."""

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:
        """Raise for pandas, so that no later finder is tried; leave every other module to those."""
        if fullname == "pandas":
            raise ModuleNotFoundError("a process that needs no pandas does without it", name=fullname)


def hide_pandas() -> None:
    """Have every later import of pandas in this process fail."""
    sys.meta_path.insert(0, WithoutPandas())
