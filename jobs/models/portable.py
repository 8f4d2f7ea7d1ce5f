"""A team's model as bytes that any process opens: code of the team's own travels inside them.

Cloudpickle writes lambdas, closures and classes of a function by value. It refers to a module's functions by name,
which a service whose environment lacks that module cannot open, and which another commit answers differently. So what
a module defines that no installed package brings is written by value too; train, scoring and packaging all do so here.
"""

from __future__ import annotations

import functools
import inspect
import pickletools
import sys
import sysconfig
import types
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import cloudpickle

from tidewheel.errors import ModelRefused

PLATFORM = frozenset({"bentos", "infra", "jobs", "plugins", "tidewheel"})
"""Our own packages: where they are installed, no service has them either."""
INSTALLED = tuple(Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib"))


@contextmanager
def team_code_by_value() -> Iterator[None]:
    """Let cloudpickle, in this block, write what the modules outside of installed packages define by value."""
    modules = [module for name, module in list(sys.modules.items()) if "." not in name and _is_of_a_team(name, module)]
    new = [module for module in modules if module.__name__ not in cloudpickle.list_registry_pickle_by_value()]
    for module in new:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in new:
            cloudpickle.unregister_pickle_by_value(module)


def dump_model(model: Any, what: str = "the model") -> bytes:
    """A model as bytes, team code included.

    Args:
        model: a fitted model, or a tuple that holds one.
        what: what the message calls it.

    Raises:
        ModelRefused: something in it cannot be written; the message names it.
    """
    with team_code_by_value():
        try:
            return cloudpickle.dumps(model)  # type: ignore[no-any-return]
        except Exception as error:  # a team's __getstate__ and __reduce__ raise whatever they like
            path, culprit, why = _culprit(model, what, set()) or (what, model, error)
            raise ModelRefused(
                f"{path} is {_described(culprit)}, which cannot be written to a file ({type(why).__name__}: {why}), so "
                "no other process could open this model to score or serve with it; create it where it is used, in a "
                "named function of a module, or leave it out of the object's __getstate__"
            ) from error


def distributions_of(pickled: bytes) -> list[str]:
    """Names of the installed packages that a pickled model mentions, to be installed wherever it is opened."""
    texts = {argument for _, argument, _ in pickletools.genops(pickled) if isinstance(argument, str)}
    modules = {text.partition(" ")[0].partition(".")[0] for text in texts if text.partition(" ")[0] in sys.modules}
    known = packages_distributions()
    return sorted({name for module in modules for name in known.get(module, ())} - {"tidewheel"})


def _is_of_a_team(name: str, module: types.ModuleType) -> bool:
    if name == "__main__" or name in sys.stdlib_module_names:
        return False
    if name in PLATFORM:
        return True
    file = getattr(module, "__file__", None)
    folders = [file] if file else list(getattr(module, "__path__", []))
    return bool(folders) and not any(Path(folder).is_relative_to(root) for folder in folders for root in INSTALLED)


def _culprit(value: Any, path: str, seen: set[int]) -> tuple[str, Any, Exception] | None:
    """The smallest thing in a value that cannot be written, with the way to it; None where all of it can."""
    if id(value) in seen:
        return None
    seen.add(id(value))
    try:
        cloudpickle.dumps(value)
    except Exception as error:
        for step, inner in _inside(value):
            if found := _culprit(inner, f"{path}{step}", seen):
                return found
        return path, value, error
    return None


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    """What a value is made of, each with the words that lead to it."""
    if isinstance(value, dict):
        yield from ((f"[{key!r}]", inner) for key, inner in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from ((f"[{place}]", inner) for place, inner in enumerate(value))
    elif isinstance(value, types.FunctionType):
        used = inspect.getclosurevars(value)
        named = {**used.globals, **used.nonlocals}
        yield from ((f", which uses {name}:", inner) for name, inner in named.items())
        yield from ((f", whose default is [{place}]", inner) for place, inner in enumerate(value.__defaults__ or ()))
    elif isinstance(value, types.MethodType):
        yield ".__self__", value.__self__
    elif isinstance(value, functools.partial):
        yield from ((".func", value.func), (".args", value.args), (".keywords", value.keywords))
    elif not isinstance(value, types.ModuleType):
        yield from ((f".{name}", inner) for name, inner in getattr(value, "__dict__", {}).items())


def _described(value: Any) -> str:
    kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
    name = getattr(value, "__qualname__", "")
    return f"{name} (a {kind})" if name else f"a {kind}"
