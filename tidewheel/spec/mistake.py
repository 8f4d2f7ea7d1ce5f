"""A mistake of a pipeline file that lies between two keys, each right by itself, reported at the key to change."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pydantic_core import PydanticCustomError

MISTAKES = "mistakes"


@dataclass(frozen=True)
class Mistake:
    """A value that loads and can never work.

    Attributes:
        key: path of the key to change, from the section that checks it.
        found: what stands there; empty where the sentence says it.
        expected: what would work, and why this does not.
        hint: the nearest right spelling, as `did_you_mean` words it.
    """

    key: tuple[int | str, ...]
    found: str
    expected: str
    hint: str = ""


def refuse(mistakes: Sequence[Mistake]) -> None:
    """End a validation with the mistakes of a section; without any, do nothing.

    Raises:
        PydanticCustomError: there are some; `tidewheel.spec.explain` puts each into a sentence with its line.
    """
    if mistakes:
        said = "; ".join(f"{'.'.join(map(str, one.key))}: {one.found} {one.expected}{one.hint}" for one in mistakes)
        raise PydanticCustomError(MISTAKES, "{said}", {"said": said, "mistakes": tuple(mistakes)})
