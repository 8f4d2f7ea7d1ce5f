"""Markdown for the reference pages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

NOTICE = "<!-- Written by `make reference` from the code. Change the description there. -->"


def page(title: str, *blocks: str) -> str:
    """A page: its title, the notice that it is generated, and its blocks.

    Args:
        title: first heading.
        blocks: paragraphs, headings and tables, in order.
    """
    return "\n\n".join([f"# {title}", NOTICE, *blocks]) + "\n"


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of Markdown cells.

    Args:
        header: of each column.
        rows: the cells of each row; a `|` in a cell is escaped here.
    """
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)


def code(text: str) -> str:
    """Text as inline code."""
    # A code span that holds a backtick needs two around it, and one that begins or ends with a blank loses it.
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}"


def anchor(heading: str) -> str:
    """What a link to a heading ends in, for GitHub as for the site."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def sentence(text: str) -> str:
    """A description as a sentence of its own, on one line."""
    text = " ".join(text.split())
    return f"{text[:1].upper()}{text[1:]}{'' if text.endswith(('.', '!', '?')) else '.'}"


def _cell(text: str) -> str:
    # `<` outside of code would begin an HTML tag.
    spans = re.split(r"(``.*?``|`[^`]*`)", text.replace("|", "\\|").replace("\n", " "))
    return "".join(span if span.startswith("`") else span.replace("<", "&lt;") for span in spans)
