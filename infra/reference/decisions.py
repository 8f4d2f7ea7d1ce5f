"""The list of architecture decision records, from their headings."""

from __future__ import annotations

from pathlib import Path

from infra.reference.markdown import page

INTRODUCTION = """\
Why Tidewheel is as it is: each record states the context, the options, the decision and its consequences. A record says
so if its decision was revisited."""


def decisions_page(folder: Path) -> str:
    """The page `adr/README.md`.

    Args:
        folder: of the records, `NNNN-<name>.md`, each with the heading `# N. <title>`.
    """
    lines = []
    for file in sorted(folder.glob("[0-9]*.md")):
        heading, _, _ = file.read_text(encoding="utf-8").partition("\n")
        number, _, title = heading.removeprefix("# ").partition(". ")
        lines.append(f"- {number}: [{title}]({file.name})")
    return page("Decisions", INTRODUCTION, "\n".join(lines))
