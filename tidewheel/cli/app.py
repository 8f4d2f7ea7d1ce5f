"""The command line: every group of commands is a small module, registered here."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

import tidewheel
from tidewheel.cli import (
    alerts,
    audit,
    console,
    demo,
    erase,
    gc,
    image,
    init,
    lake,
    load,
    pipelines,
    platform,
    release,
    replay,
    retire,
    reviews,
    scaffold,
    traffic,
    training,
    why,
)
from tidewheel.disk import disk_sentence
from tidewheel.errors import ExitCode, TidewheelError

app = typer.Typer(
    name="tidewheel",
    help="Keeps machine-learning models fresh: features, checks, scoring, retraining and releases, every night.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
demo.register(app)
platform.register(app)
console.register(app)
gc.register(app)
lake.register(app)
load.register(app)
init.register(app)
scaffold.register(app)
pipelines.register(app)
retire.register(app)
release.register(app)
image.register(app)
reviews.register(app)
training.register(app)
why.register(app)
audit.register(app)
erase.register(app)
alerts.register(app)
traffic.register(app)
replay.register(app)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"tidewheel {tidewheel.__version__}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="show the version and exit", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """What may stand before a command."""


def main() -> None:
    """Run the command line; an error of ours, or a full disk, is one sentence on stderr; Ctrl-C exits with 130."""
    try:
        app(standalone_mode=True)
    except TidewheelError as error:
        _end(str(error), error.exit_code)
    except OSError as error:
        if not (message := disk_sentence(error)):
            raise
        _end(message, ExitCode.FAILED)


def _end(sentence: str, code: ExitCode) -> NoReturn:
    sys.stderr.write(f"tidewheel: {sentence}\n")
    sys.exit(int(code))
