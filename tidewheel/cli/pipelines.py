"""`tidewheel validate`, `schema`, `pipelines`: the pipelines of this project."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

from tidewheel.cli.job_process import run_job
from tidewheel.cli.left_behind import left_behind
from tidewheel.errors import PlatformError, SpecError, UsageError
from tidewheel.partitions import PartitionRange
from tidewheel.pods import executor_mistakes, jobs_in_pods, pod_mistakes
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import find_pipeline, load_pipeline, pipeline_files, pipeline_schema

if TYPE_CHECKING:
    from pathlib import Path

GROUP = "Pipelines"
# A team's module may hang while it is imported.
LONGEST_CHECK_SECONDS = 300


def register(app: typer.Typer) -> None:
    """Add the pipelines' commands to the command line."""
    for command in (validate, schema, pipelines):
        app.command(rich_help_panel=GROUP)(command)


def validate(
    name: Annotated[str | None, typer.Argument(help="the pipeline to check; default: all of them")] = None,
    day: Annotated[
        str | None,
        typer.Option(
            help="also play this day (YYYY-MM-DD), or the hour YYYY-MM-DDTHH of an hourly pipeline, from the source to "
            "a prediction; nothing is published"
        ),
    ] = None,
) -> None:
    """Check pipelines: file, functions, model, suites. Exit code 2 where one is wrong, 3 where a day's data is."""
    settings = load_settings()
    folder = settings.pipelines_folder
    if day is not None:
        PartitionRange.parse(day)
        if name is None:
            raise UsageError("--day plays one pipeline's day; name the pipeline: tidewheel validate NAME --day DAY")
    if name is not None:
        find_pipeline(folder, name)  # a misspelled name gets a hint, a wrong file its errors
    selected = [folder / f"{name}.yaml"] if name is not None else pipeline_files(folder)
    if not selected:
        raise UsageError(f"there are no pipelines in {folder}; make one with `tidewheel new NAME`")
    wrong = {path.stem: _wrong_file(path) for path in selected}
    reach = {path.stem: _without_reach(path, settings) for path in selected if not wrong[path.stem]}
    doubtful: dict[str, list[str]] = {}
    console = Console(highlight=False, soft_wrap=True)
    with console.status("Importing the pipelines' code and expectations, fitting made-up rows"):
        for pipeline, said in _check(
            [pipeline for pipeline, findings in wrong.items() if not findings], settings
        ).items():
            wrong[pipeline], doubtful[pipeline] = said["wrong"] + reach[pipeline], said["doubtful"]
    for pipeline, findings in wrong.items():
        console.print(f"[bold red]wrong[/]  {pipeline}" if findings else f"[bold green]ok[/]     {pipeline}")
        for sentence in findings:
            console.print(f"       {escape(sentence)}")
        for sentence in doubtful.get(pipeline, ()):
            console.print(f"       [yellow]warning:[/] {escape(sentence)}")
    for sentence in left_behind(settings):
        console.print(f"[bold yellow]left[/]   {escape(sentence)}")
    if any(wrong.values()):
        raise typer.Exit(SpecError.exit_code)
    if name is not None and day is not None:
        raise typer.Exit(_play(name, day, settings))


def schema() -> None:
    """Print the JSON Schema of a pipeline file, for editors; stored in docs/pipeline.schema.json."""
    typer.echo(pipeline_schema(), nl=False)


def pipelines() -> None:
    """List the pipelines of this project; a file that is wrong is listed with its first error."""
    from rich.table import Table

    settings = load_settings()
    files = pipeline_files(settings.pipelines_folder)
    console = Console(highlight=False)
    if not files:
        console.print(f"No pipelines in {settings.pipelines_folder}; make one with `tidewheel new NAME`.")
        return
    table = Table("pipeline", "owner", "schedule", "description")
    for path in files:
        try:
            pipeline = load_pipeline(path)
        except SpecError as error:
            table.add_row(path.stem, "", "", escape(_first_error(error)), style="red")
        else:
            table.add_row(
                pipeline.name, escape(pipeline.owner.team), f"{pipeline.schedule} UTC", escape(pipeline.description)
            )
    console.print(table)


def _play(name: str, day: str, settings: Settings) -> int:
    """Play a day in a process of its own, which prints its steps; returns its exit code."""
    ran = run_job(settings, "checking.day", name, "--day", day, stderr=subprocess.PIPE)
    if "Traceback" in ran.stderr:
        raise PlatformError(f"{name} on {day} could not be played: {ran.stderr.strip()}")
    return ran.returncode


def _wrong_file(path: Path) -> list[str]:
    try:
        load_pipeline(path)
    except SpecError as error:
        return [str(error)]
    return []


def _without_reach(path: Path, settings: Settings) -> list[str]:
    """What keeps the jobs of a pipeline that run in pods from their work."""
    pipeline = load_pipeline(path)
    jobs = jobs_in_pods(pipeline, settings)
    reach = [f"{', '.join(jobs)} in pods: {sentence}" for sentence in pod_mistakes(settings)] if jobs else []
    return [*executor_mistakes(pipeline, settings), *reach]


def _first_error(error: SpecError) -> str:
    first, *others = str(error).splitlines()
    return others[0].strip() if others else first


def _check(names: list[str], settings: Settings) -> dict[str, dict[str, list[str]]]:
    """What is wrong, and what may be, with the code and expectations of pipelines whose files are right."""
    if not names:
        return {}
    output = subprocess.PIPE
    try:
        ran = run_job(settings, "check", *names, stdout=output, stderr=output, timeout=LONGEST_CHECK_SECONDS)
    except subprocess.TimeoutExpired:
        raise SpecError(
            f"the code of {', '.join(names)} could not be imported within {LONGEST_CHECK_SECONDS} s: "
            "a module does more than define functions when it is imported"
        ) from None
    if ran.returncode:
        raise PlatformError(f"the code of {', '.join(names)} could not be checked: {ran.stderr.strip()}")
    return dict(json.loads(ran.stdout))
