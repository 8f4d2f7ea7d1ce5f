"""The documentation: what it links to and what it tells a reader to type is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer.main

from tidewheel.cli.app import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    targets = re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)

    # A command as it is shown to be typed: on a console line, or in backticks.
    for name in re.findall(r"(?:\$ (?:\.venv/bin/)?|`)tidewheel ([a-z]+)", text):
        assert name in commands, f"tidewheel {name}"
    for name in re.findall(r"(?:\$ |`)make ([a-z0-9-]+)", text):
        assert name in targets, f"make {name}"
    for name in re.findall(r"python -m ([a-z_]+(?:\.[a-z_]+)+)", text):
        assert (ROOT / f"{name.replace('.', '/')}.py").exists(), f"python -m {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_to_type_from_says_how_to_get_the_commands(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    if re.search(r"^\$ (tidewheel|python) ", text, re.MULTILINE):
        assert "source .venv/bin/activate" in text


def test_the_readme_names_every_command() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")

    missing = [
        name for name in typer.main.get_command(app).commands if f"`{name}" not in text and f" {name}" not in text
    ]  # type: ignore[attr-defined]
    assert missing == []
