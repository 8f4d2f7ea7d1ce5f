"""Reading the YAML of a pipeline file within bounds: neither its size nor what it unfolds to can hold up a reader.

The scheduler, every job and the console read these files. So a file is looked at event by event first: its size,
depth, number of values, and what aliases would repeat are known before a single object is made of it.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    CollectionEndEvent,
    CollectionStartEvent,
    DocumentStartEvent,
    Event,
    MappingStartEvent,
    NodeEvent,
    ScalarEvent,
)

from tidewheel.errors import SpecError

LARGEST_BYTES = 256 * 1024
LARGEST_VALUES = 5_000
"""Keys and values of a file, each counted as often as an alias repeats it; a table of 2,000 features is below it."""
DEEPEST = 32
LONGEST_NUMBER = 64
"""Characters of a value that may be read as a number or a date."""
LONGEST_PROBLEM = 1_000
_LIKE_A_NUMBER = re.compile(r"[-+.0-9][-+.:_ 0-9a-fA-FxXoOtTzZ]*")
_STANDARD_TAGS = "tag:yaml.org,2002:"
_TAGS = frozenset({"str", "int", "float", "bool", "null", "timestamp", "seq", "map"})

Key = tuple[str, ...]


@dataclass(frozen=True)
class YamlDocument:
    """What a file holds, and where each of its keys and list items begins.

    Attributes:
        content: as Python has it.
        lines: line numbers, from 1, by the path of keys and positions; what an alias brings in has none.
    """

    content: Any
    lines: Mapping[Key, int] = field(default_factory=dict)


def read_document(path: Path) -> YamlDocument:
    """Read a YAML file of one document.

    Raises:
        SpecError: it cannot be read, is no YAML, or is larger than any pipeline file is.
    """
    text = _text(path)
    try:
        lines = _checked(path, text)
        return YamlDocument(YAML(typ="safe").load(text), lines)
    except DuplicateKeyError as error:
        place = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise SpecError(f"{path}: {place}{_cut(error.problem)}; keep one of the two") from None
    except YAMLError as error:
        raise SpecError(f"{path}: not valid YAML: {_cut(error)}") from None
    except (ValueError, OverflowError) as error:  # ruamel makes dates and numbers of what looks like them
        raise SpecError(f"{path}: a value is written like a date or a number and is none: {_cut(error)}") from None
    except (TypeError, AttributeError, AssertionError) as error:  # `? [a, b]` as a key, `<<` of something else
        raise SpecError(f"{path}: a key is neither a name nor a number: {_cut(error)}") from None


def _text(path: Path) -> str:
    try:
        if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():
            raise SpecError(f"{path}: is no file that can be read twice; expected a plain file")
        with path.open("rb") as file:
            content = file.read(LARGEST_BYTES + 1)
    except FileNotFoundError:
        raise SpecError(f"{path}: no such pipeline file") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror}") from None
    if len(content) > LARGEST_BYTES:
        raise SpecError(f"{path}: is larger than a pipeline file may be ({LARGEST_BYTES // 1024} KiB)")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise SpecError(f"{path}: not valid YAML: line {line} is not UTF-8; save the file as UTF-8") from None


@dataclass
class _Open:
    """A list or mapping whose end has not come yet."""

    path: Key
    is_mapping: bool
    anchor: str | None
    values: int
    characters: int
    position: int = 0
    key: str | None = None

    def place(self, text: str | None) -> Key | None:
        """The path of the value that comes next; None where it is itself a key of a mapping."""
        if not self.is_mapping:
            self.position += 1
            return (*self.path, str(self.position - 1))
        if self.key is None:
            self.key = text or ""
            return None
        key, self.key = self.key, None
        return (*self.path, key)


class _Bounds:
    """What has been counted so far; refuses what goes beyond a pipeline file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Key, int] = {}
        self._open: list[_Open] = []
        self._sizes: dict[str, tuple[int, int]] = {}
        self._values = self._characters = self._documents = 0

    def take(self, event: Event) -> None:
        """Count one event.

        Raises:
            SpecError: it is one too many, or of a kind that no pipeline file needs.
        """
        line = event.start_mark.line + 1
        match event:
            case DocumentStartEvent():
                self._documents += 1
                if self._documents > 1:
                    raise self._refusal(line, "a second document begins; a file declares one pipeline")
            case CollectionEndEvent():
                closed = self._open.pop()
                if closed.anchor:
                    self._sizes[closed.anchor] = (self._values - closed.values, self._characters - closed.characters)
            case NodeEvent():
                self._node(event, line)

    def _node(self, event: NodeEvent, line: int) -> None:
        text = event.value if isinstance(event, ScalarEvent) else None
        parent = self._open[-1] if self._open else None
        place = parent.place(text) if parent else ()
        if place is None and parent is not None:  # a key: where its value begins is known to be here
            self.lines.setdefault((*parent.path, text or ""), line)
        elif place:
            self.lines.setdefault(place, line)
        if isinstance(event, AliasEvent):
            self._count(line, *self._sizes_of(event.anchor, line))
            return
        self._well_tagged(event, line)
        self._new_anchor(event.anchor, line)
        before = (self._values, self._characters)
        self._count(line, 1, len(text or ""))
        if isinstance(event, CollectionStartEvent):
            if len(self._open) >= DEEPEST:
                raise self._refusal(line, f"lists and keys lie deeper in each other than in any pipeline ({DEEPEST})")
            is_mapping = isinstance(event, MappingStartEvent)
            self._open.append(_Open(place or (), is_mapping, event.anchor, *before))
        elif isinstance(event, ScalarEvent):
            written = str(event.value)
            if event.implicit[0] and len(written) > LONGEST_NUMBER and _LIKE_A_NUMBER.fullmatch(written):
                raise self._refusal(line, f"{written[:20]}... is longer than any number ({LONGEST_NUMBER})")
            if event.anchor:
                self._sizes[event.anchor] = (1, len(written))

    def _count(self, line: int, values: int, characters: int) -> None:
        self._values += values
        self._characters += characters
        if self._values > LARGEST_VALUES:
            raise self._refusal(line, f"more than {LARGEST_VALUES:,} keys and values, each repetition by `*` counted")
        if self._characters > LARGEST_BYTES:
            raise self._refusal(line, f"what `*` repeats makes this larger than {LARGEST_BYTES // 1024} KiB")

    def _sizes_of(self, anchor: str, line: int) -> tuple[int, int]:
        if any(one.anchor == anchor for one in self._open):
            raise self._refusal(line, f"*{_cut(anchor)} lies within what it repeats")
        return self._sizes.get(anchor, (1, 0))  # one that is not there is refused by the composer, which names it

    def _new_anchor(self, anchor: str | None, line: int) -> None:
        if anchor and (anchor in self._sizes or any(one.anchor == anchor for one in self._open)):
            raise self._refusal(line, f"&{_cut(anchor)} is there twice; give each anchor a name of its own")

    def _well_tagged(self, event: NodeEvent, line: int) -> None:
        tag = str(getattr(event, "tag", None) or "")
        if tag and tag != "!" and tag.removeprefix(_STANDARD_TAGS) not in _TAGS:
            written = tag.replace(_STANDARD_TAGS, "!!")
            raise self._refusal(line, f"the tag {_cut(written)} is not read here; write the value without it")

    def _refusal(self, line: int, wrong: str) -> SpecError:
        return SpecError(f"{self.path}: line {line}: {wrong}")


def _checked(path: Path, text: str) -> Mapping[Key, int]:
    bounds = _Bounds(path)
    for event in _events(text):
        bounds.take(event)
    return bounds.lines


def _events(text: str) -> Iterator[Event]:
    yield from YAML(typ="safe", pure=True).parse(text)


def _cut(problem: object) -> str:
    text = str(problem)
    return text if len(text) <= LONGEST_PROBLEM else f"{text[:LONGEST_PROBLEM]} ..."
