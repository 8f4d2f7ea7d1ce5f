"""Numbers of things and lists of names, in words."""

from __future__ import annotations

from collections.abc import Sequence


def quantity(number: float, noun: str, plural: str = "") -> str:
    """A number of something, as a sentence has it: `1 row`, `1,200 rows`, `1.5 days`.

    Args:
        number: how many.
        noun: of one.
        plural: of several; default: the noun with an s.
    """
    digits = f"{number:,.0f}" if float(number).is_integer() else f"{number:g}"
    return f"{digits} {noun if number == 1 else plural or f'{noun}s'}"


def listing(items: Sequence[str], most: int, *, separator: str = ", ", rest: str = " and {:,} more") -> str:
    """The first of some texts, and how many others there are: `a, b and 3 more`.

    Args:
        items: all of them, in order.
        most: how many are named.
        separator: between two that are named.
        rest: what follows where there are others; `{}` is how many.
    """
    others = len(items) - most
    return separator.join(items[:most]) + (rest.format(others) if others > 0 else "")
