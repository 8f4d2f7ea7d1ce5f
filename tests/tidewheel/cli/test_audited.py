"""Each command is known to leave an entry in the audit log, or to change nothing that the log is about."""

from __future__ import annotations

import typer.main
from typer.core import TyperGroup

from tidewheel.cli.app import app
from tidewheel.ledger.audit import Act
from tidewheel.policies.verdict import Kind

ENTRIES: dict[str, set[Act | Kind]] = {
    "adopt": {Act.ADOPTION},
    "alerts close": {Act.ALERT},
    "approve": {Kind.REVIEW},
    "erase": {Act.ERASURE},
    "gc": {Act.REMOVAL},
    "lake gc": {Act.REMOVAL},
    "reject": {Kind.REVIEW},
    "release": {Act.RELEASE, Act.ENDPOINT},
    "rename": {Act.RENAMING},
    "retire": {Act.RETIREMENT},
    "rollback": {Act.ROLLBACK, Act.RELEASE, Act.ENDPOINT},
}
WITHOUT = {
    "demo": "starts the platform, and plays days whose jobs leave entries of their own",
    "up": "starts processes",
    "down": "stops processes",
    "init": "writes files of the project, which version control records",
    "new": "writes files of the project, which version control records",
    "suites": "writes files of the project, which version control records",
    "image build": "makes an image of a version that is there",
    "alerts list": "reads",
    "alerts test": "sends a test message",
    "audit": "reads",
    "load": "sends requests, and keeps a report",
    "logs": "reads",
    "open": "reads",
    "pipelines": "reads",
    "replay": "computes beside the pipeline, and keeps a report",
    "reproduce": "trains beside the registry",
    "schema": "reads",
    "status": "reads",
    "traffic": "reads",
    "validate": "reads",
    "why": "reads",
}


def names(group: TyperGroup, before: str = "") -> set[str]:
    """Of all commands, those of groups with the group's name."""
    found: set[str] = set()
    for name, command in group.commands.items():
        found |= names(command, f"{name} ") if isinstance(command, TyperGroup) else {f"{before}{name}"}
    return found


def test_every_command_leaves_an_entry_or_has_a_reason_not_to() -> None:
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    assert names(group) == ENTRIES.keys() | WITHOUT.keys(), "name the new command in one of the two tables"
    assert not ENTRIES.keys() & WITHOUT.keys()
