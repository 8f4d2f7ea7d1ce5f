"""Putting what pydantic found wrong in a pipeline file into sentences: line, key, what was found, what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel

from tidewheel.errors import did_you_mean
from tidewheel.spec.mistake import MISTAKES
from tidewheel.spec.sections import PATTERNS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

LONGEST_SHOWN = 80
Key = tuple[int | str, ...]
MOVED: dict[Key, str] = {
    ("training", "resources"): "`resources: {train: …}` at the top level",
    ("alerts", "webhook_variable"): "`channels: {team: {url_variable: …}}`",
}
"""Keys of earlier releases, and how the same is written now."""
NAMED = 20
"""Broken rules that a message names; a file with more has one cause, or is no pipeline."""


@dataclass(frozen=True)
class _Broken:
    """One broken rule at one place of the file."""

    key: Key
    found: str
    expected: str
    hint: str = ""


def explain(
    root: type[BaseModel],
    content: Mapping[str, Any],
    lines: Mapping[tuple[str, ...], int],
    errors: Sequence[ErrorDetails],
) -> list[str]:
    """One sentence for each place of the file that is wrong.

    Args:
        root: the model the file was checked against.
        content: the file's content.
        lines: line numbers of its keys.
        errors: what pydantic found.
    """
    # A union's members are broken one by one, though a person wrote one value: their expectations become one sentence.
    places: dict[tuple[Key, str], list[_Broken]] = {}
    for detail in errors[: NAMED * 10]:
        for broken in _explain_all(root, content, detail):
            places.setdefault((broken.key, broken.found), []).append(broken)
    sentences = [_sentence(lines, broken) for broken in places.values()]
    more = [f"and {len(sentences) - NAMED} more"] if len(sentences) > NAMED else []
    return [*sentences[:NAMED], *more]


def place_of(lines: Mapping[tuple[str, ...], int], key: Key) -> str:
    """A key as a person finds it: `line 7, source.reader.path`; without the line where the key is not in the file.

    Args:
        lines: line numbers of the file's keys.
        key: path of the key.
    """
    line = _line(lines, key)
    return ", ".join([*([f"line {line}"] if line else []), *([brief_key(key)] if key else [])])


def brief_key(key: Key) -> str:
    """A path of keys with dots, each cut where it is long."""
    return ".".join(
        text if len(text := str(part)) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..." for part in key
    )


def _sentence(lines: Mapping[tuple[str, ...], int], broken: Sequence[_Broken]) -> str:
    place = place_of(lines, broken[0].key)
    first, *others = dict.fromkeys(one.expected for one in broken)
    expected = " or ".join([first, *(other.removeprefix("expected ") for other in others)])
    wrong = "; ".join(part for part in (broken[0].found, expected) if part)
    return f"{place}{': ' if place else ''}{wrong}{''.join(dict.fromkeys(one.hint for one in broken))}"


def _explain_all(root: type[BaseModel], content: Mapping[str, Any], detail: ErrorDetails) -> Iterator[_Broken]:
    if detail["type"] != MISTAKES:
        yield _explain(root, content, detail)
        return
    section = _written(content, detail["loc"], MISTAKES)
    for mistake in detail["ctx"]["mistakes"]:
        yield _Broken((*section, *mistake.key), mistake.found, mistake.expected, mistake.hint)


def _explain(root: type[BaseModel], content: Mapping[str, Any], detail: ErrorDetails) -> _Broken:
    location, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    key, value = _written(content, location, kind), detail["input"]
    value_words = f"found {brief(value)}"
    match kind:
        case "missing":
            return _Broken(key, "missing", f"expected {_description(root, location)}")
        case "extra_forbidden" if location in MOVED:
            return _Broken(key, "no key any more", f"write it as {MOVED[location]}")
        case "extra_forbidden":
            known = list(_fields_at(root, location[:-1]))
            return _Broken(
                key, "unknown key", f"known here: {', '.join(known)}", did_you_mean(str(location[-1]), known)
            )
        case "union_tag_not_found":
            kinds = sorted(_tags(_models_at(root, location)))
            return _Broken((*key, "kind"), "missing", f"expected one of {', '.join(kinds)}")
        case "union_tag_invalid":
            kinds = _quoted(context["expected_tags"])
            tag = context["tag"]
            return _Broken(
                (*key, "kind"), f"found {brief(tag)}", f"expected one of {', '.join(kinds)}", did_you_mean(tag, kinds)
            )
        case "literal_error":
            return _Broken(
                key, value_words, f"expected {context['expected']}", _nearest(value, _quoted(context["expected"]))
            )
        case "string_pattern_mismatch":
            return _Broken(key, value_words, f"expected {PATTERNS.get(context['pattern'], context['pattern'])}")
        case "model_type" | "model_attributes_type":
            return _Broken(key, value_words, f"expected {_keys_at(root, location)}")
        case "invalid_key":
            return _Broken(key[:-1], f"found the key {brief(value)}", "expected a name")
        case "value_error":
            return _Broken(key, "" if isinstance(value, Mapping) else value_words, str(context["error"]))
        case _:
            return _Broken(
                key, value_words, re.sub(r"^(Input|String|List|Keys?) should (be|have) ", "expected ", detail["msg"])
            )


def _quoted(text: str) -> list[str]:
    return re.findall(r"'([^']*)'", text)


def _nearest(value: object, names: Sequence[str]) -> str:
    return did_you_mean(value, names) if isinstance(value, str) and ":" not in value else ""


def _written(content: Any, location: Key, kind: str) -> Key:
    """The part of pydantic's location that stands in the file: without the tags of unions and the marks of types."""
    key: list[int | str] = []
    for position, part in enumerate(location):
        named = isinstance(content, dict) and part in content
        if named or (isinstance(content, list) and isinstance(part, int) and part < len(content)):
            key.append(part)
            content = content[part]
        elif kind == "missing" and position == len(location) - 1:
            key.append(part)
    return tuple(key)


def _line(lines: Mapping[tuple[str, ...], int], key: Key) -> int | None:
    """The line of a key, or of the nearest key around it that stands in the file."""
    path = tuple(str(part) for part in key)
    while path and path not in lines:  # what `<<` or `*` brings in has no line of its own
        path = path[:-1]
    return lines.get(path)


def _description(root: type[BaseModel], location: Key) -> str:
    field = _fields_at(root, location[:-1]).get(str(location[-1]))
    return field.description if field is not None and field.description else "a value"


def _keys_at(root: type[BaseModel], location: Key) -> str:
    """What a mapping at a place consists of, in words."""
    models = _models_at(root, location)
    if len(models) > 1:
        return f"keys, `kind` first: one of {', '.join(sorted(_tags(models)))}"
    return f"keys such as {', '.join(models[0].model_fields)}" if models else "keys and their values"


def _fields_at(root: type[BaseModel], location: Key) -> Mapping[str, Any]:
    """The keys a file may have at a place."""
    models = _models_at(root, location)
    return models[0].model_fields if models else {}


def _models_at(root: type[BaseModel], location: Key) -> list[type[BaseModel]]:
    """The models a place may hold, following fields by name and unions by their tag."""
    models = [root]
    for part in location:
        if tagged := [model for model in models if len(models) > 1 and part in _tags([model])]:
            models = tagged
        elif isinstance(part, int):  # of a list, whose items are alike
            continue
        elif models and part in models[0].model_fields:
            models = list(models_in(models[0].model_fields[part].annotation))
        else:
            return []
    return models


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field may hold."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def _tags(models: Iterable[type[BaseModel]]) -> set[str]:
    kinds = [model.model_fields["kind"] for model in models if "kind" in model.model_fields]
    return {tag for field in kinds for tag in get_args(field.annotation)}


def brief(value: object) -> str:
    """A value as it is written, cut where it is long."""
    text = repr(value[:LONGEST_SHOWN] if isinstance(value, str | list) else value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 3]}..."
