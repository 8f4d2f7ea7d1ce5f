"""What a check has found: the key of the pipeline file that is to be changed, and a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tidewheel.spec.explain import place_of

Lines = Mapping[tuple[str, ...], int]


@dataclass(frozen=True)
class Wrong:
    """Something that cannot work, or, among the doubts, that may not.

    Attributes:
        key: path of the key in the pipeline file; empty where another file is wrong, which the sentence names.
        said: what was found and what is expected.
    """

    key: tuple[int | str, ...]
    said: str


def sentences(found: Iterable[Wrong], lines: Lines) -> list[str]:
    """Findings as a person reads them, each once.

    Args:
        found: the findings.
        lines: line numbers of the pipeline file's keys; empty where they are not known.
    """
    return list(dict.fromkeys(f"{place_of(lines, one.key)}: {one.said}" if one.key else one.said for one in found))


def reason(error: BaseException) -> str:
    """An error of foreign code in one line: its kind, what it says, and where a file cannot be read as Python."""
    place = f" ({error.filename}, line {error.lineno})" if isinstance(error, SyntaxError) else ""
    text = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    return f"{type(error).__name__}: {text if len(text) <= LONGEST else f'{text[:LONGEST]} ...'}{place}"


LONGEST = 600
