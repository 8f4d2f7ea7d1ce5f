"""The code a pipeline brings along, named in its file as `module:function`."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

from tidewheel.errors import SpecError, did_you_mean


def resolve(reference: str) -> Callable[..., Any]:
    """Import the function that `module:function` names.

    Raises:
        SpecError: there is no such module, or it has no such function. What the module itself fails to import
            is raised as it is, with its traceback.
    """
    module_name, _, name = reference.partition(":")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise SpecError(
            f"{reference}: no module {error.name!r}; expected a module that imports from the project folder"
        ) from None
    attribute = getattr(module, name, None)
    if not callable(attribute):
        known = [n for n, value in vars(module).items() if callable(value) and not n.startswith("_")]
        raise SpecError(f"{reference}: module {module_name} has no function {name!r}{did_you_mean(name, known)}")
    return attribute  # type: ignore[no-any-return]
