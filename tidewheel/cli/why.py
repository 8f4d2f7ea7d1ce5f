"""`tidewheel why`: the last decisions about a pipeline, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from tidewheel.ledger import Ledger
from tidewheel.policies.trigger.budget import left_words
from tidewheel.policies.verdict import Kind, Outcome, clause
from tidewheel.settings import load_settings
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from rich.text import Text

    from tidewheel.ledger.tables import VerdictRow

COLOURS = {
    "passed": "green",
    "fired": "yellow",
    "suppressed": "cyan",
    "no_action": "dim",
    "refused": "red",
    "rolled_back": "red",
    "inconclusive": "magenta",
}


NO_ACTION = {
    Kind.TRIGGER: "no retraining",
    Kind.DRIFT: "no alarm",
    Kind.REQUESTS: "no alarm",
    Kind.PROBATION: "continues",
}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(why)


def why(
    name: Annotated[str, typer.Argument(help="name of the pipeline")],
    last: Annotated[int, typer.Option("--last", "-n", min=1, help="how many decisions")] = 10,
    kind: Annotated[Kind | None, typer.Option(help="only decisions of this kind; default: all but validation")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="with all inputs and thresholds, for a program")] = False,
) -> None:
    """Tell why a pipeline was trained, released or left alone: its last decisions, the newest first."""
    settings = load_settings()
    find_pipeline(settings.pipelines_folder, name)  # a misspelled name gets a hint
    kinds = [kind] if kind else [other for other in Kind if other is not Kind.VALIDATION]
    rows = Ledger.open(settings, patience_seconds=0).verdicts(name, kinds, limit=last)
    if as_json:
        typer.echo(json.dumps([_plain(row) for row in rows], indent=2))
        return
    _print(name, rows)


def _print(name: str, rows: list[VerdictRow]) -> None:
    from rich.console import Console
    from rich.padding import Padding

    console = Console(highlight=False)
    if not rows:
        console.print(f"No decision about {name} yet: its first night, training or release will appear here.")
    for row in rows:
        console.print(_heading(row))
        sentence = clause(row.sentence, row.outcome)
        if row.kind == Kind.TRIGGER and (left := left_words(row.inputs)):
            sentence = f"{sentence} ({left})"
        console.print(Padding(sentence, (0, 0, 0, 2)), markup=False)


def _heading(row: VerdictRow) -> Text:
    from rich.text import Text

    at, outcome = f"{row.decided_at:%Y-%m-%d %H:%M}", _outcome(row)
    words = NO_ACTION.get(Kind(row.kind), outcome.words) if outcome is Outcome.NO_ACTION else outcome.words
    by = f"  by {row.actor}" if row.actor else ""
    return Text.assemble(
        (f"{at}  ", "dim"),
        (f"{row.kind} ", "bold"),
        f"{row.subject}  ",
        (words, COLOURS.get(outcome, "")),
        (by, "dim"),
    )


def _outcome(row: VerdictRow) -> Outcome:
    """What was decided. An older release wrote `suppressed` also where nothing had fired."""
    nothing_fired = row.kind == Kind.DRIFT or (row.kind == Kind.TRIGGER and row.inputs.get("due") == [])
    return Outcome.NO_ACTION if row.outcome == Outcome.SUPPRESSED and nothing_fired else Outcome(row.outcome)


def _plain(row: VerdictRow) -> dict[str, object]:
    return {
        "decided_at": row.decided_at.isoformat(),
        "kind": row.kind,
        "subject": row.subject,
        "outcome": _outcome(row),
        "sentence": row.sentence,
        "run_id": row.run_id,
        "actor": row.actor,
        "inputs": row.inputs,
        "thresholds": row.thresholds,
    }
