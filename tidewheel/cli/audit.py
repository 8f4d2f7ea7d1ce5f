"""`tidewheel audit`: prints the audit log, and verifies that nobody has changed it."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from tidewheel.cli.why import COLOURS
from tidewheel.errors import ExitCode, UsageError
from tidewheel.ledger import Ledger
from tidewheel.ledger.audit import entries
from tidewheel.ledger.verification import SHORTEST_HEAD, verify
from tidewheel.quantities import quantity
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    from tidewheel.ledger.audit_tables import AuditRow
    from tidewheel.ledger.verification import Verification


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(rich_help_panel="Models")(audit)


def audit(
    name: Annotated[str | None, typer.Argument(help="name of the pipeline; default: all, and the installation")] = None,
    *,
    since: Annotated[str, typer.Option(metavar="DAY", help="only entries of this day (UTC) and later")] = "",
    only_verify: Annotated[bool, typer.Option("--verify", help="verify the log and print no entries")] = False,
    head: Annotated[
        str, typer.Option(metavar="HASH", help="hash of the last entry, noted earlier, that must still be in the log")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="for a program, with all hashes")] = False,
) -> None:
    """Print who decided and did what, oldest first, and verify the whole log. Exit code 4 where it was changed.

    The log has one chain for all pipelines. It is verified each time, whatever is printed of it.
    """
    begin, head = _day(since), _hash(head)
    ledger = Ledger.open(load_settings(), patience_seconds=0)
    verified = verify(ledger, head)
    if name is not None and not only_verify and next(entries(ledger, name), None) is None:
        raise UsageError(
            f"the audit log has no entry of a pipeline {name!r}: nothing was decided about it yet, or its name is "
            "spelled differently (`tidewheel audit` prints all)"
        )
    chosen = iter(()) if only_verify else entries(ledger, name, begin)
    if as_json:
        plain = {"entries": [_plain(row) for row in chosen], "verification": _verification(verified)}
        typer.echo(json.dumps(plain, indent=2))
    else:
        _print_entries(chosen)
        _print(verified, head)
    if verified.findings:
        raise typer.Exit(ExitCode.DIFFERENT)


def _print_entries(rows: Iterator[AuditRow]) -> None:
    """Through the pager where a person reads."""
    console = Console(highlight=False, soft_wrap=True)
    os.environ.setdefault("LESS", "FRX")  # colours, and no pager for what fits the screen
    with console.pager(styles=True) if console.is_terminal else nullcontext():
        for row in rows:
            console.print(_heading(row))
            for line in row.sentence.splitlines():
                console.print(f"  {line}", markup=False)


def _heading(row: AuditRow) -> Text:
    return Text.assemble(
        (f"{row.at:%Y-%m-%d %H:%M}  ", "dim"),
        f"{row.pipeline}  " if row.pipeline else "",
        (f"{row.kind} ", "bold"),
        f"{row.subject}  ",
        (row.outcome.replace("_", " "), COLOURS.get(row.outcome, "")),
        f"  by {row.actor or 'policy'}",
        (f"  #{row.position}", "dim"),
    )


def _print(verified: Verification, head: str) -> None:
    """The result goes to stderr where it is bad, so that it is seen beside a redirected log."""
    for finding in verified.findings:
        typer.secho(finding, fg="red", err=True)
    if verified.findings:
        typer.secho(
            f"The log was changed: {quantity(len(verified.findings), 'finding')}. Decisions after the first of them "
            "cannot be relied on; compare the ledger with its newest good backup.",
            bold=True,
            err=True,
        )
        return
    noted = f", and holds {head[:SHORTEST_HEAD]}" if head else ""
    since = f" since {verified.begun:%Y-%m-%d}" if verified.begun else ""
    entries_there = quantity(verified.entries, "entry", "entries")
    typer.echo(f"The log is whole: {entries_there}{since}{noted}. Its head, to be noted elsewhere:")
    typer.echo(verified.head)


def _plain(row: AuditRow) -> dict[str, Any]:
    names = ("pipeline", "kind", "subject", "outcome", "actor", "sentence", "run_id", "source", "source_id")
    said = {name: getattr(row, name) for name in names}
    hashes = {"record": row.record, "previous": row.previous, "hash": row.hash}
    return {"position": row.position, "at": _utc(row.at).isoformat(), **said, **hashes}


def _verification(verified: Verification) -> dict[str, Any]:
    begun = _utc(verified.begun).isoformat() if verified.begun else None
    findings = list(verified.findings)
    return {"entries": verified.entries, "begun": begun, "head": verified.head, "findings": findings}


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _day(since: str) -> datetime | None:
    if not since:
        return None
    try:
        return datetime.strptime(since, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise UsageError(f"--since {since!r} is no day; expected YYYY-MM-DD") from None


def _hash(head: str) -> str:
    if head and not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_HEAD},64}}", head):
        raise UsageError(
            f"--head {head!r} is no hash; expected {SHORTEST_HEAD} to 64 hexadecimal digits, as `tidewheel audit "
            "--verify` prints them"
        )
    return head
