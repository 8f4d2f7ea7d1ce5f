"""The options of a job as those of a command: `@takes(ReleaseOptions, "version", "reason")`."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import typer

from tidewheel.options import JobOptions, parse_options
from tidewheel.options.option import DeclaredOption

Command = TypeVar("Command", bound=Callable[..., None])
PARAMETER = "options"


def takes(model: type[JobOptions], *names: str, **fixed: object) -> Callable[[Command], Callable[..., None]]:
    """Give a command some of a job's options, in the place of its parameter `options`, which gets the model.

    Typer only splits the command line. Values are read by `parse_options`, as in the job itself.

    Args:
        model: of the job.
        names: of the options that the command has.
        fixed: values of options that the command decides.
    """

    def derive(command: Command) -> Callable[..., None]:
        def run(**given: Any) -> None:
            values = {name: given.pop(name) for name in names}
            command(**given, **{PARAMETER: parse_options(model, values | fixed)})

        declared, parameters = model.declared(), list[inspect.Parameter]()
        for parameter in inspect.signature(command, eval_str=True).parameters.values():
            if parameter.name == PARAMETER:
                parameters += [_parameter(declared[name]) for name in names]
            else:
                parameters.append(parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY))
        run.__name__, run.__doc__, run.__annotations__ = command.__name__, command.__doc__, {}
        vars(run)["__signature__"] = inspect.Signature(parameters)
        return run

    return derive


def _parameter(option: DeclaredOption) -> inspect.Parameter:
    """An option as Typer takes it from a function's signature."""
    settings: dict[str, Any] = {"help": option.option.line, "metavar": option.option.metavar or None}
    if option.option.if_empty:
        settings["show_default"] = False  # its help says it
    kind: Any = list[str] if option.is_list else option.kind
    if kind in (int, float):
        settings["parser"] = _unread
    default = None if option.is_list else option.default
    if kind is float and default is not None:
        default = f"{default:g}"
    if not option.required and kind is not bool:
        kind = kind | None
    return inspect.Parameter(
        option.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if option.required else default,
        annotation=Annotated[kind, typer.Option(option.flag, **settings)],
    )


def _unread(text: Any) -> Any:
    """In the place of Typer's own reading of numbers."""
    return text
