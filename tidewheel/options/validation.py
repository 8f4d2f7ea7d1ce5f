"""Reading the values of options: what was left empty is left out, and what is wrong gets one sentence an option."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, TypeVar

from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError

from tidewheel.errors import UsageError, did_you_mean
from tidewheel.options.option import DeclaredOption, Expected, Options
from tidewheel.partitions import PartitionRange

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

O = TypeVar("O", bound=Options)  # noqa: E741  one set of options
KINDS = {bool: "yes or no", int: "a whole number", float: "a number", str: "text"}
BOUNDS = {"ge": "of at least", "gt": "above", "le": "of at most", "lt": "below"}


def flag_of(option: DeclaredOption) -> str:
    """An option as a command line spells it."""
    return option.flag


def title_of(option: DeclaredOption) -> str:
    """An option as Airflow's form and a command line spell it."""
    return f"{option.option.title} ({option.flag})" if option.option.title else option.flag


def parse_options(
    model: type[O], values: Mapping[str, object], spelled: Callable[[DeclaredOption], str] = flag_of
) -> O:
    """Read values, which may be text, as the types that a model declares.

    An empty text, an empty list and None are no value: a switch stays off, and anything else keeps its default.

    Args:
        model: declares the options.
        values: by name.
        spelled: names an option to the person who gave its value.

    Raises:
        UsageError: an option is not known, is missing, or has a bad value; a line for each.
    """
    given = {name: value for name, value in values.items() if not _is_empty(value)}
    try:
        return model.model_validate(given)
    except ValidationError as error:
        declared = model.declared()
        lines = [_sentence(declared, each, spelled) for each in error.errors(include_url=False)]
        raise UsageError("\n".join(lines)) from None


def expected(option: DeclaredOption) -> str:
    """What values an option takes, in words."""
    if words := [each.words for each in option.constraints if isinstance(each, Expected)]:
        return words[0]
    if issubclass(option.kind, Enum):
        return f"one of {', '.join(_choices(option))}"
    return f"{KINDS[option.kind]} {' and '.join(_bounds(option))}".strip()


def _is_empty(value: object) -> bool:
    if isinstance(value, str):
        return not value.strip()
    return value is None or value in ([], ())


def _sentence(
    declared: Mapping[str, DeclaredOption], error: ErrorDetails, spelled: Callable[[DeclaredOption], str]
) -> str:
    name = str(error["loc"][0]) if error["loc"] else ""
    if not name:  # of the options together
        return str(error["ctx"]["error"])
    option = declared.get(name)
    if option is None:
        return f"there is no option {name!r}{did_you_mean(name, declared)}; expected {', '.join(declared) or 'none'}"
    if error["type"] == "missing":
        words = expected(option)
        return f"{spelled(option)} is missing; expected {option.option.help if words == KINDS[str] else words}"
    if option.kind is PartitionRange and "ctx" in error:
        return f"{spelled(option)}: {error['ctx']['error']}"
    value = error["input"]
    near = did_you_mean(str(value), _choices(option))
    return f"{spelled(option)}: found {value!r}; expected {expected(option)}{near}"


def _choices(option: DeclaredOption) -> list[str]:
    return [str(each.value) for each in option.kind] if issubclass(option.kind, Enum) else []


def _bounds(option: DeclaredOption) -> list[str]:
    bounds = [(type(each).__name__.lower(), each) for each in option.constraints if isinstance(each, Ge | Gt | Le | Lt)]
    return [f"{BOUNDS[name]} {getattr(bound, name):g}" for name, bound in bounds]
