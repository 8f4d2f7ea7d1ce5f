"""`tidewheel approve`, `reject` and `adopt`: what a person answers for with their name, about one model version."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from tidewheel.cli.job_process import run_job
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

GROUP = "Models"
Name = Annotated[str, typer.Argument(help="name of the pipeline")]
Version = Annotated[int, typer.Option(min=1, help="registered model version")]
Reason = Annotated[str, typer.Option(help="why; goes to the ledger with your user name")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=GROUP)(approve)
    app.command(rich_help_panel=GROUP)(reject)
    app.command(rich_help_panel=GROUP)(adopt)


def approve(name: Name, version: Version, reason: Reason) -> None:
    """Approve a version that waits for a reviewer, or that one has rejected; promote or release it afterwards."""
    _run("review", name, "--version", str(version), "--say", "approved", "--reason", reason)


def reject(name: Name, version: Version, reason: Reason) -> None:
    """Reject a version: it is not promoted, released or scored with until it is approved anew."""
    _run("review", name, "--version", str(version), "--say", "rejected", "--reason", reason)


def adopt(
    name: Name,
    version: Annotated[int | None, typer.Option(min=1, help="one version; default: all that were judged")] = None,
) -> None:
    """Take versions into the ledger that an earlier release of Tidewheel has trained, with their files as they are now.

    Once, after an upgrade, and only where nobody else could write to MLflow meanwhile: from then on each file must be
    what it is now. Only versions that this installation's own `train` has recorded and its gate has judged are taken.
    """
    _run("adopt", name, *(["--version", str(version)] if version else []))


def _run(job: str, name: str, *options: str) -> None:
    settings, now = load_settings(), datetime.now(UTC)
    find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    asked = [
        *("--pipeline", name),
        *("--partition", now.date().isoformat()),
        *("--run-id", f"cli__{now:%Y-%m-%dT%H:%M:%S.%f}"),
        *options,
    ]
    done = run_job(settings, job, *asked)
    if done.returncode:
        raise typer.Exit(done.returncode)
