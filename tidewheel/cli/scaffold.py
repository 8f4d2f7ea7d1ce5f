"""`tidewheel new` and `suites`: a pipeline from nothing or from data that is there, and its suites made anew."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape

from tidewheel.errors import UsageError
from tidewheel.quantities import quantity
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    from tidewheel.scaffold.bring import Brought
    from tidewheel.scaffold.guess import Guess
    from tidewheel.scaffold.scaffold import Scaffold

GROUP = "Pipelines"
PLACEHOLDERS = ("raw", "labels", "features", "predictions")
SHOWN = 40  # columns, or rules, that are printed

Source = Annotated[
    str | None,
    typer.Option(
        "--from",
        help="a CSV or Parquet file, a folder of daily files, or the environment variable of a database's URL",
        show_default=False,
    ),
]
Query = Annotated[str | None, typer.Option(help="with a database: the query that gives the rows", show_default=False)]
DatabaseTable = Annotated[str | None, typer.Option("--table", help="with a database: the table", show_default=False)]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (new, suites):
        app.command(rich_help_panel=GROUP)(command)


def new(
    name: Annotated[str, typer.Argument(help="the new pipeline's name: lower-case letters, digits and _")],
    source: Source = None,
    query: Query = None,
    table: DatabaseTable = None,
    key: Annotated[str | None, typer.Option(help="column, or A,B, that names a row", show_default=False)] = None,
    event_time: Annotated[
        str | None, typer.Option(help="column that puts a row into its day", show_default=False)
    ] = None,
    label: Annotated[str | None, typer.Option(help="column that is to be predicted", show_default=False)] = None,
    task: Annotated[
        Literal["classification", "multiclass", "regression"] | None,
        typer.Option(help="kind of the label", show_default=False),
    ] = None,
    label_delay: Annotated[
        int | None, typer.Option(min=1, max=365, help="days after which a label is known [1]", show_default=False)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="take every guess without asking")] = False,
) -> None:
    """Make a new pipeline that runs as it is: on your data with --from, else on sample data."""
    from tidewheel.scaffold.scaffold import checked_name, plan_pipeline, write_pipeline

    settings, console = load_settings(), Console(highlight=False, soft_wrap=True)
    checked_name(name)
    if source is None:
        if given := [o for o, v in (("--query", query), ("--table", table), ("--key", key), ("--label", label)) if v]:
            raise UsageError(f"{', '.join(given)} says something about your data: name it with --from")
        written = write_pipeline(plan_pipeline(name, settings.code_folder), settings.project)
        _print_files(console, f"Pipeline [bold]{name}[/] is there, on sample data:", written)
        _print_placeholders(console, name, settings.code_folder)
        return
    from tidewheel.scaffold.bring import bring
    from tidewheel.scaffold.brought import plan_brought
    from tidewheel.scaffold.guess import Hints
    from tidewheel.scaffold.sample import read_sample

    ask = _asks() and not yes
    sample = read_sample(source, query, table, settings.project)
    hints = Hints(
        tuple(part.strip() for part in (key or "").split(",") if part.strip()), event_time or "", label or "", task
    )

    def settle(option: str, purpose: str, guess: Guess) -> str:
        if ask:
            others = f" (could be {', '.join(guess.others)})" if len(guess.others) > 1 else ""
            console.print(f"[bold]{option}[/]: {purpose}; {escape(guess.why)}{escape(others)}")
            return str(typer.prompt("  column", default=guess.value))
        if guess.sure or yes:
            return guess.value
        raise UsageError(
            f"{sample.origin}: is {guess.value} {purpose}? {guess.why}, which is not sure enough to go on without a "
            "terminal: "
            f"name it with --{option}, or take all guesses with --yes"
        )

    brought = bring(sample, hints, label_delay or (_ask_delay() if ask else 1), settle)
    plan = plan_brought(name, sample, brought.profile, brought.decided, settings.code_folder)
    _print_sample(console, brought)
    _check_declaration(plan)
    written = write_pipeline(plan, settings.project)
    _print_files(console, f"\nPipeline [bold]{name}[/] is there, on your data:", written)
    first, last = min(brought.profile.rows), max(brought.profile.rows)
    console.print(
        f"\nIts DAGs appear in Airflow by themselves. Next:\n"
        f"  [bold]tidewheel validate {name}[/]   check declaration, code and expectations\n"
        f"  trigger [bold]{name}.features[/] in Airflow from {first} to {last}, then [bold]{name}.training[/]"
    )


def suites(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    source: Source = None,
    query: Query = None,
    table: DatabaseTable = None,
    days: Annotated[int, typer.Option(min=1, help="look at so many of the newest published days")] = 60,
    force: Annotated[
        bool, typer.Option("--force", help="also replace rules that were written or changed by hand")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="only print what would change")] = False,
) -> None:
    """Make a pipeline's expectation suites anew, from the lake's newest days or a file; print what changed."""
    from tidewheel.scaffold.anew import changes, remade, unused_reader
    from tidewheel.scaffold.brought import suite_text
    from tidewheel.scaffold.sample import read_sample
    from tidewheel.spec import find_pipeline

    settings, console = load_settings(), Console(highlight=False, soft_wrap=True)
    pipeline = find_pipeline(settings.pipelines_folder, name)
    folder = settings.expectations_folder / name
    rows = read_sample(source, query, table, settings.project).table if source else None
    made = remade(pipeline, settings, rows, days, keep=not force)
    changed = 0
    for suite, (old, new_suite) in made.items():
        lines = changes(old, new_suite)
        changed += len(lines)
        console.print(f"[bold]{suite}.json[/]: {len(lines) or 'no'} changes")
        for line in lines[:SHOWN]:
            console.print(f"  {escape(line)}", style="green" if line.startswith("+") else "red")
        if not dry_run and lines:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / f"{suite}.json").write_text(suite_text(new_suite), encoding="utf-8")
    if changed and not force:
        console.print("Rules that were written or changed by hand stay as they are; --force replaces them.")
    if dry_run:
        console.print("Nothing was written.")
    elif unused := unused_reader(pipeline, settings):
        (settings.project / unused).unlink()
        console.print(f"{unused} is gone: it was the sample's, and dags/{name}.yaml names no function of it.")


def _asks() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _ask_delay() -> int:
    return int(typer.prompt("label-delay: after how many days is the label of a row known?", default=1, type=int))


def _check_declaration(plan: Scaffold) -> None:
    """Refuse what the spec would refuse, before anything is written."""
    from tidewheel.spec import load_pipeline

    with TemporaryDirectory() as folder:
        declared = Path(folder) / f"{plan.name}.yaml"
        declared.write_text(plan.files[Path("dags") / declared.name], encoding="utf-8")
        load_pipeline(declared)


def _print_sample(console: Console, brought: Brought) -> None:
    """What was seen, and what was decided and why."""
    from rich.table import Table

    sample, profile, decided = brought.sample, brought.profile, brought.decided
    rows = sum(profile.rows.values())
    size = f"{quantity(rows, 'row')} of {quantity(len(profile.rows), 'day')}"
    console.print(f"[bold]{escape(sample.origin)}[/]: {size}, {profile.days}")
    if sample.left_out:
        console.print(f"{sample.left_out} older files were not looked at.")
    roles = dict.fromkeys(decided.key, "key") | {decided.event_time: "event time", decided.label: "label"}
    roles |= dict.fromkeys(decided.features.numeric, "numeric feature")
    roles |= dict.fromkeys(decided.features.categorical, "categorical feature")
    shown = Table("column", "holds", "taken as", box=None, header_style="bold")
    for column in list(profile.columns.values())[:SHOWN]:
        left_out = f"left out: {decided.features.left_out.get(column.name, '')}"
        shown.add_row(escape(column.name), escape(column.words), escape(roles.get(column.name, left_out)))
    console.print(shown)
    if len(profile.columns) > SHOWN:
        console.print(f"and {quantity(len(profile.columns) - SHOWN, 'more column')}")
    values = {
        "key": ", ".join(decided.key),
        "event-time": decided.event_time,
        "label": decided.label,
        "task": decided.task,
    }
    for option, value in values.items():
        console.print(f"{option}: [bold]{escape(value)}[/], {escape(brought.reasons.get(option, ''))}")
    console.print(
        f"label-delay: [bold]{decided.delay_days}[/] days; if labels come later, say so under labels.delay_days: a "
        "label is "
        "never used before"
    )


def _print_files(console: Console, heading: str, written: list[Path]) -> None:
    console.print(heading)
    for path in written:
        console.print(f"  {escape(str(path))}", style="cyan")


def _print_placeholders(console: Console, name: str, code: Path) -> None:
    console.print(
        f"\nIts DAGs appear in Airflow by themselves and run from tonight on. Next:\n"
        f"  [bold]tidewheel validate {name}[/]   check declaration, code and expectations\n"
        f"  edit [cyan]{code}/{name}/reader.py[/], so that it reads your rows and your labels; where "
        f"dags/{name}.yaml "
        "declares a CSV, Parquet or SQL reader instead, remove it\n"
        "  change the four suites, which say what the sample data looks like and would refuse yours:"
    )
    for suite in PLACEHOLDERS:
        console.print(f"    [cyan]expectations/{name}/{suite}.json[/]")
    console.print(
        f"  [bold]tidewheel suites {name}[/] makes them from days that were landed, or from a file with --from\n"
        f"Or begin with your data: [bold]tidewheel new NAME --from orders.csv[/] writes declaration and suites for it."
    )
