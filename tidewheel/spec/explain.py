"""Putting what pydantic found wrong in a pipeline file into sentences: line, key, what was found, what was expected."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from pydantic import BaseModel
from ruamel.yaml.comments import CommentedMap

from tidewheel.errors import did_you_mean
from tidewheel.spec.sections import PATTERNS

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

Key = tuple[int | str, ...]


@dataclass(frozen=True)
class _Broken:
    """One broken rule at one place of the file."""

    key: Key
    found: str
    expected: str
    hint: str = ""


def explain(root: type[BaseModel], content: Mapping[str, Any], errors: Iterable[ErrorDetails]) -> list[str]:
    """One sentence for each place of the file that is wrong.

    Args:
        root: the model the file was checked against.
        content: the file's content; where it was read with line numbers (ruamel's round trip), they are named.
        errors: what pydantic found.
    """
    # A union's members are broken one by one, though a person wrote one value: their expectations become one sentence.
    places: dict[tuple[Key, str], list[_Broken]] = {}
    for detail in errors:
        broken = _explain(root, content, detail)
        places.setdefault((broken.key, broken.found), []).append(broken)
    return [_sentence(content, broken) for broken in places.values()]


def _sentence(content: Any, broken: Sequence[_Broken]) -> str:
    key, line = broken[0].key, _line(content, broken[0].key)
    place = [f"line {line}"] if line else []
    place += [".".join(str(part) for part in key)] if key else []
    first, *others = (one.expected for one in broken)
    expected = " or ".join([first, *(other.removeprefix("expected ") for other in others)])
    wrong = "; ".join(part for part in (broken[0].found, expected) if part)
    return f"{', '.join(place)}{': ' if place else ''}{wrong}{''.join(one.hint for one in broken)}"


def _explain(root: type[BaseModel], content: Mapping[str, Any], detail: ErrorDetails) -> _Broken:
    location, kind, context = detail["loc"], detail["type"], detail.get("ctx", {})
    key, value = _written(content, location, kind), detail["input"]
    found = f"found {brief(value)}"
    match kind:
        case "missing":
            return _Broken(key, "missing", f"expected {_description(root, location)}")
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
                (*key, "kind"), f"found {tag!r}", f"expected one of {', '.join(kinds)}", did_you_mean(tag, kinds)
            )
        case "literal_error":
            return _Broken(key, found, f"expected {context['expected']}", _nearest(value, _quoted(context["expected"])))
        case "string_pattern_mismatch":
            return _Broken(key, found, f"expected {PATTERNS.get(context['pattern'], context['pattern'])}")
        case "model_type" | "model_attributes_type":
            return _Broken(key, found, f"expected {_keys_at(root, location)}")
        case "invalid_key":
            return _Broken(key[:-1], f"found the key {brief(value)}", "expected a name")
        case "value_error":
            return _Broken(key, "" if isinstance(value, Mapping) else found, str(context["error"]))
        case _:
            return _Broken(
                key, found, re.sub(r"^(Input|String|List|Keys?) should (be|have) ", "expected ", detail["msg"])
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


def _line(content: Any, key: Key) -> int | None:
    """The line of a key, or of the nearest key around it that stands in the file."""
    line = None
    for part in key:
        try:
            line = 1 + (content.lc.key(part) if isinstance(content, CommentedMap) else content.lc.item(part))[0]
            content = content[part]
        except (AttributeError, KeyError, IndexError, TypeError):  # what `<<` brings in has no line of its own
            break
    return line


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
            models = list(_models_in(models[0].model_fields[part].annotation))
        else:
            return []
    return models


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _tags(models: Iterable[type[BaseModel]]) -> set[str]:
    kinds = [model.model_fields["kind"] for model in models if "kind" in model.model_fields]
    return {tag for field in kinds for tag in get_args(field.annotation)}


def brief(value: object) -> str:
    """A value as it is written, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
