"""The command line: every group of commands is a small module, registered here."""

from __future__ import annotations

import sys

import typer

from tidewheel.cli import demo, lake, pipelines, platform, release, replay, why
from tidewheel.errors import TidewheelError

app = typer.Typer(
    name="tidewheel",
    help="Keeps machine-learning models fresh: features, checks, scoring, retraining and releases, every night.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
demo.register(app)
platform.register(app)
lake.register(app)
pipelines.register(app)
release.register(app)
why.register(app)
replay.register(app)


def main() -> None:
    """Run the command line; an error of ours is one sentence on stderr, never a traceback; Ctrl-C exits with 130."""
    try:
        app(standalone_mode=True)
    except TidewheelError as error:
        sys.stderr.write(f"tidewheel: {error}\n")
        sys.exit(int(error.exit_code))
