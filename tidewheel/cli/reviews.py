"""`tidewheel approve`, `reject` and `adopt`: what a person answers for with their name, about one model version."""

from __future__ import annotations

from typing import Annotated

import typer

from tidewheel.cli.job_options import takes
from tidewheel.cli.job_process import start_job
from tidewheel.options import AdoptOptions, JobOptions, Reviewed, ReviewOptions
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

GROUP = "Models"
Name = Annotated[str, typer.Argument(help="name of the pipeline")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=GROUP)(approve)
    app.command(rich_help_panel=GROUP)(reject)
    app.command(rich_help_panel=GROUP)(adopt)


@takes(ReviewOptions, "version", "reason", say=Reviewed.APPROVED)
def approve(name: Name, options: ReviewOptions) -> None:
    """Approve a version that waits for a reviewer, or that one has rejected; promote or release it afterwards."""
    _start(options, name)


@takes(ReviewOptions, "version", "reason", say=Reviewed.REJECTED)
def reject(name: Name, options: ReviewOptions) -> None:
    """Reject a version: it is not promoted, released or scored with until it is approved anew."""
    _start(options, name)


@takes(AdoptOptions, "version")
def adopt(name: Name, options: AdoptOptions) -> None:
    """Take versions into the ledger that an earlier release of Tidewheel has trained, with their files as they are now.

    Once, after an upgrade, and only where nobody else could write to MLflow meanwhile: from then on each file must be
    what it is now. Only versions that this installation's own `train` has recorded and its gate has judged are taken.
    """
    _start(options, name)


def _start(options: JobOptions, name: str) -> None:
    find_pipeline(load_settings().pipelines_folder, name)  # a misspelled name gets a hint
    start_job(options, name)
