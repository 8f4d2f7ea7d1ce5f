"""Options as arguments of a process, there and back: who starts a job writes them, and the job reads them."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tidewheel.options.option import DeclaredOption, Options


def add_arguments(parser: argparse.ArgumentParser, *models: type[Options]) -> None:
    """Let a parser accept the options of models, as the text that stands there; `parse_options` makes values of it."""
    for model in models:
        for option in model.declared().values():
            parser.add_argument(option.flag, dest=option.name, default=argparse.SUPPRESS, **_accepted(option))


def arguments_of(options: Options) -> list[str]:
    """The arguments that give a job these options; what is at its default is left out."""
    arguments: list[str] = []
    for name, option in type(options).declared().items():
        value = getattr(options, name)
        if value == option.default:
            continue
        if option.kind is bool:
            arguments.append(option.flag)
        else:
            values: Sequence[Any] = value if option.is_list else [value]
            arguments += [f"{option.flag}={each}" for each in values]
    return arguments


def _accepted(option: DeclaredOption) -> dict[str, Any]:
    text = option.option.line
    if option.required:
        text += " (required)"
    elif not option.option.if_empty and option.default not in (None, False):
        text += f"; default: {option.default:g}" if option.kind in (int, float) else f"; default: {option.default}"
    more: dict[str, Any] = {"help": text.replace("%", "%%")}
    if option.kind is bool:
        return more | {"action": "store_true"}
    if issubclass(option.kind, Enum):
        more["metavar"] = f"{{{','.join(str(each.value) for each in option.kind)}}}"
    return more | ({"action": "append"} if option.is_list else {})
