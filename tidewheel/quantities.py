"""Numbers of things, in words."""

from __future__ import annotations


def quantity(number: float, noun: str, plural: str = "") -> str:
    """A number of something, as a sentence has it: `1 row`, `1,200 rows`, `1.5 days`.

    Args:
        number: how many.
        noun: of one.
        plural: of several; default: the noun with an s.
    """
    digits = f"{number:,.0f}" if float(number).is_integer() else f"{number:g}"
    return f"{digits} {noun if number == 1 else plural or f'{noun}s'}"
