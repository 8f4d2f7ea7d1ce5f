"""`tidewheel retire` and `tidewheel rename`: giving a pipeline up, or another name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.filesize import decimal

from tidewheel.cli.job_process import start_job
from tidewheel.errors import ReleaseError, UsageError, did_you_mean
from tidewheel.options import ReleaseOptions
from tidewheel.quantities import quantity
from tidewheel.settings import load_settings
from tidewheel.spec import pipeline_files

if TYPE_CHECKING:
    from tidewheel.retirement.retire import Retirement
    from tidewheel.retirement.traces import Traces
    from tidewheel.settings import Settings

GROUP = "Pipelines"
Yes = Annotated[bool, typer.Option("--yes", "-y", help="do not ask")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=GROUP)(retire)
    app.command(rich_help_panel=GROUP)(rename)


def retire(
    name: Annotated[str, typer.Argument(help="the pipeline, declared or not")],
    *,
    delete_data: Annotated[bool, typer.Option("--delete-data", help="delete its lake and its logged requests")] = False,
    delete_models: Annotated[bool, typer.Option("--delete-models", help="delete its versions in MLflow")] = False,
    yes: Yes = False,
) -> None:
    """Give a pipeline up: endpoint off, DAGs gone, open requests closed. Data and models stay by default.

    Killed or failed half-way, it is run again and goes on. See docs/how-to/retire-and-rename.md for what stays.
    """
    from tidewheel.release.backend import open_backend
    from tidewheel.retirement.traces import traces

    settings, console = load_settings(), Console(highlight=False, soft_wrap=True)
    found = traces(settings, name, open_backend(settings, name))
    if not found.any:
        known = [file.stem for file in pipeline_files(settings.pipelines_folder)]
        raise UsageError(f"there is nothing of a pipeline {name!r}{did_you_mean(name, known)}")
    for question in _questions(found, delete_data=delete_data, delete_models=delete_models):
        if not yes:
            typer.confirm(question, abort=True)
    _retirement(settings, name, console).retire(delete_data=delete_data, delete_models=delete_models)
    left = [] if delete_data else [f"{decimal(found.lake_bytes)} of data in the lake"]
    left += [] if delete_models else [f"{quantity(len(found.versions), 'model version')} in MLflow"]
    console.print(f"{name} is retired. Left: {', '.join([*left, 'its verdicts in the ledger, its code and suites'])}")


def rename(
    old: Annotated[str, typer.Argument(help="the pipeline")],
    new: Annotated[str, typer.Argument(help="the name it gets")],
    *,
    yes: Yes = False,
) -> None:
    """Give a pipeline another name: file, suites, code, lake, ledger, model, endpoint. Callers of the old path move on.

    Killed or failed half-way, it is run again with the same two names and goes on.
    """
    from tidewheel.retirement.rename import Rename, unfinished

    settings, console = load_settings(), Console(highlight=False, soft_wrap=True)
    begun = unfinished(settings)
    if begun.get(old, new) != new:
        raise UsageError(
            f"{old} is being renamed to {begun[old]}: run `tidewheel rename {old} {begun[old]}` again first"
        )
    if not yes and old not in begun:
        typer.confirm(
            f"Rename {old} to {new}: file, suites, code, lake, ledger and model; /{old}/predict will send its callers "
            f"to /{new}/predict. Airflow's history stays under the old name. Go on?",
            abort=True,
        )

    def release() -> None:
        try:
            start_job(ReleaseOptions(), new)
        except typer.Exit:
            raise ReleaseError(
                f"the champion could not be released as {new}, and {old} still answers; when the cause is gone, run "
                f"`tidewheel rename {old} {new}` again"
            ) from None

    Rename(settings, old, new, _retirement(settings, old, console), release).run()
    console.print(f"{old} is {new} now; next: `tidewheel validate {new}`, and look for {old} in your own code and docs")


def _retirement(settings: Settings, name: str, console: Console) -> Retirement:
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.releases import Releases
    from tidewheel.release.backend import open_backend
    from tidewheel.retirement.retire import Retirement

    def report(sentence: str) -> None:
        console.print(f"  {sentence}", markup=False)

    return Retirement(settings, name, open_backend(settings, name), Releases(Ledger.open(settings)), report)


def _questions(left: Traces, *, delete_data: bool, delete_models: bool) -> list[str]:
    """Questions before anything is done; each names what goes."""
    name = left.pipeline
    serves = f"version {left.live} stops answering at /{name}/predict" if left.live else "it answers nowhere"
    files = " and ".join(f"dags/{file.name}" for file in left.files) or "it has no file in dags/"
    questions = [f"Retire {name}: {serves}; {files} and its DAGs go. Go on?"]
    if delete_data:
        size = f"{decimal(left.lake_bytes)} with {quantity(left.days, 'day')} of features"
        logged = f"{decimal(left.request_bytes)} of logged requests"
        questions.append(f"Delete all data of {name} for good: {size} in the lake, {logged}. Go on?")
    if delete_models:
        versions = ", ".join(left.versions) or "none"
        questions.append(
            f"Delete all {quantity(len(left.versions), 'model version')} of {name} for good ({versions}). Go on?"
        )
    return questions
