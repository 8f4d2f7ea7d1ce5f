"""Numbers of things, in words."""

from __future__ import annotations


def quantity(number: float, noun: str, plural: str = "") -> str:
    """A whole number of something, as a sentence has it: `1 row`, `1,200 rows`.

    Args:
        number: how many.
        noun: of one.
        plural: of several; default: the noun with an s.
    """
    return f"{number:,.0f} {noun if number == 1 else plural or f'{noun}s'}"
