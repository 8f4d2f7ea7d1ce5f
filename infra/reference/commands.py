"""The page of every command with its arguments and options, from Typer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer.main

from infra.reference.markdown import code, page, table
from infra.reference.types import type_in_words
from tidewheel.cli.app import app

INTRODUCTION = """\
Every command of `tidewheel`. `tidewheel COMMAND --help` prints the same at the terminal, and `tidewheel --version` the
installed version.

Exit codes: 0 done; 1 failed; 2 wrong usage, setting or pipeline file; 3 data breaks a rule; 4 the outcome differs from
what was recorded, or work is left, as the command's text says; 130 interrupted by Ctrl-C."""
WORDS: dict[type, str] = {str: "text", int: "integer", float: "number"}


def commands_page() -> str:
    """The page `commands.md`."""
    return page("Commands", INTRODUCTION, *_blocks(typer.main.get_command(app), "tidewheel"))


def _blocks(command: Any, name: str) -> Iterator[str]:
    for inner in getattr(command, "commands", {}).values():
        whole = f"{name} {inner.name}"
        if hasattr(inner, "commands"):
            yield from _blocks(inner, whole)
            continue
        yield f"## {whole}"
        yield code(" ".join([whole, *(part for one in inner.params if (part := _usage(one)))]))
        yield inspect.cleandoc(inner.help or "")
        if rows := [_row(one) for one in inner.params]:
            yield table(("Argument or option", "Type", "Default", "Meaning"), rows)


def _usage(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper() if parameter.required else f"[{str(parameter.name).upper()}]"
    return f"{parameter.opts[0]} {_value(parameter)}" if parameter.required else ""


def _value(parameter: Any) -> str:
    return parameter.metavar or str(parameter.name).upper()


def _row(parameter: Any) -> tuple[str, str, str, str]:
    if parameter.param_type_name == "argument":
        names = code(str(parameter.name).upper())
    else:
        names = ", ".join(code(option) for option in (*parameter.opts, *parameter.secondary_opts))
    return names, type_in_words(parameter.type_descriptor.annotation, WORDS), _default(parameter), parameter.help or ""


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    if isinstance(parameter.default, bool):
        return code(parameter.opts[0]) if parameter.default else ""
    return "" if parameter.default in (None, "", ()) else code(str(parameter.default))
