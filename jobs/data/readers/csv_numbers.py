"""Text as numbers, of which no digit is lost.

A column is of numbers only if each of its values is written as a number is, without leading zeros or `+`, and its type
gives the same number back. `1.1` and `1.10` in one column are text, since they would become one number.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from jobs.data.readers.text_columns import all_true, any_true, cast_or_none, is_one_of, printed_back, replaced
from tidewheel.spec.sections import CsvReader

INFINITE = ["inf", "-inf", "Infinity", "-Infinity"]
EXACT_DIGITS = 15  # that many digits survive a float64, whatever they are
PLAIN_NUMBER = r"^-?(0|[1-9][0-9]*)?(\.[0-9]+)?$"
# As programs print them: 1e-05, 2.5E7. An exponent without sign or point, as in 1e5, is as likely a part of an id.
SCIENTIFIC = r"^-?([0-9](\.[0-9]+)?[eE][+-][0-9]+|[0-9]\.[0-9]+[eE][0-9]+)$"
WHOLE = r"^(-?[0-9]+)\.(0|00|0000+)$"
ANY_NUMBER = r"^-?(0|[1-9][0-9]*)?(\.[0-9]*)?([eE][+-]?[0-9]+)?$"


@dataclass(frozen=True)
class Notation:
    """How a file writes numbers and missing values."""

    decimal: str = "."
    thousands: str | None = None
    null_values: tuple[str, ...] | None = None

    @classmethod
    def of(cls, reader: CsvReader) -> Notation:
        """As a reader is declared."""
        null_values = None if reader.null_values is None else tuple(reader.null_values)
        return cls(reader.decimal or ".", reader.thousands, null_values)

    def plain(self, text: pa.ChunkedArray) -> pa.ChunkedArray | None:
        """The same numbers with a point and nothing between thousands; None where a value is written otherwise."""
        if self.thousands is not None:
            separator, point = re.escape(self.thousands), re.escape(self.decimal)
            grouped = rf"^-?([1-9][0-9]{{0,2}}({separator}[0-9]{{3}})+|[0-9]*)({point}[0-9]+)?([eE][+-]?[0-9]+)?$"
            if not all_true(pc.match_substring_regex(text, grouped)):
                return None
            text = pc.replace_substring(text, self.thousands, "")
        if self.decimal == ",":
            if any_true(pc.match_substring(text, ".")):
                return None
            text = pc.replace_substring(text, ",", ".")
        return text


def is_number(kind: pa.DataType) -> bool:
    """Whether a type is one of those that text becomes here."""
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def integers(text: pa.ChunkedArray, notation: Notation) -> pa.ChunkedArray | None:
    """A column as int64; None where a value is written otherwise than an integer is, or is beyond it."""
    plain = notation.plain(text)
    return None if plain is None else printed_back(plain, pa.int64())


def floats(text: pa.ChunkedArray, notation: Notation) -> pa.ChunkedArray | None:
    """A column as float64; None where a value is no number, would lose digits, or has two spellings."""
    plain = notation.plain(text)
    numbers = None if plain is None else cast_or_none(plain, pa.float64())
    if plain is None or numbers is None or not all_true(pc.is_finite(numbers)):
        return None
    odd = _written_otherwise(plain, numbers)
    long = _long(odd)
    if not all(map(_is_exact, long)) or _has_two_spellings(plain, odd):
        return None
    if any(value.lstrip("-").isdigit() for value in long) and not any_true(pc.match_substring_regex(plain, r"[.eE]")):
        return None  # integers beyond int64 are rather ids
    return numbers


def numbers_as(text: pa.ChunkedArray, kind: pa.DataType, notation: Notation) -> pa.ChunkedArray | None:
    """A column as a type of numbers that is known; None where a value is not of it.

    Decimals beyond what a float holds are rounded to it, since it is known. Digits without a point are not: they may be
    an id.
    """
    plain = notation.plain(text)
    if plain is None:
        return None
    if pa.types.is_integer(kind):
        integers = printed_back(plain, kind)
        # `1.0`: pandas writes integers so once one of them is missing. `1.000` may be a thousand.
        return printed_back(replaced(plain, WHOLE, r"\1"), kind) if integers is None else integers
    if pa.types.is_floating(kind):
        return _floats_as(plain, kind)
    return cast_or_none(plain, kind) if all_true(pc.match_substring_regex(plain, PLAIN_NUMBER)) else None


def _floats_as(text: pa.ChunkedArray, kind: pa.DataType) -> pa.ChunkedArray | None:
    numbers = cast_or_none(text, pa.float64())
    if numbers is None:
        return None
    infinite = is_one_of(text, INFINITE)
    odd = _written_otherwise(text, numbers)
    written_as_numbers = pc.or_(pc.match_substring_regex(odd, ANY_NUMBER), is_one_of(odd, INFINITE))
    if not all_true(written_as_numbers) or not all_true(pc.or_(pc.is_finite(numbers), infinite)):
        return None
    if any(not _is_exact(value) for value in _long(odd) if value.lstrip("-").isdigit()):
        return None
    typed = numbers.cast(kind, safe=False)
    return typed if all_true(pc.equal(pc.is_finite(typed), pc.is_finite(numbers))) else None


def _written_otherwise(text: pa.ChunkedArray, numbers: pa.ChunkedArray) -> pa.ChunkedArray:
    """The values that are not printed as they were written, for example 2.50."""
    return text.filter(pc.not_equal(numbers.cast(pa.string()), text))


def _has_two_spellings(text: pa.ChunkedArray, odd: pa.ChunkedArray) -> bool:
    """Whether a number occurs in two ways; one of them is then not the way that it is printed in."""
    spellings = pc.unique(odd)
    printed = pc.unique(spellings.cast(pa.float64()).cast(pa.string()))
    return len(printed) < len(spellings) or (len(printed) > 0 and any_true(pc.is_in(text, printed)))


def _long(text: pa.ChunkedArray) -> list[str]:
    """The values, each once, without those that surely survive a float64."""
    short = pc.less_equal(pc.binary_length(text), EXACT_DIGITS)
    sure = pc.and_(short, pc.match_substring_regex(text, PLAIN_NUMBER))
    values: list[str] = pc.unique(text.filter(pc.invert(sure))).to_pylist()
    return values


def _is_exact(text: str) -> bool:
    """Whether a float64 gives a number back in all its digits."""
    written_as_number = re.match(PLAIN_NUMBER, text) or re.match(SCIENTIFIC, text)
    return bool(written_as_number) and Decimal(text) == Decimal(repr(float(text)))
