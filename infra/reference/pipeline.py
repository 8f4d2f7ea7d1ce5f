"""The page of every key of a pipeline file, from its JSON Schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from infra.reference.markdown import anchor, code, page, table
from tidewheel.spec.pipeline import Pipeline
from tidewheel.spec.sections import PATTERNS

Schema = Mapping[str, Any]
INTRODUCTION = """\
Every key of a pipeline file, `dags/<name>.yaml`. A key without a default is required. Unknown keys are errors: the
message names the line, the keys that are known there and the nearest spelling. An editor that reads
[the JSON Schema](../pipeline.schema.json) completes and checks the file as you write; `tidewheel schema` prints it, and
`tidewheel validate` checks what a schema cannot express.

Keys that count days count partitions. With `partition: week` they are written with `weeks`, as `delay_weeks`, and some
defaults differ: see [Partition by week or by hour](../how-to/weekly-pipelines.md)."""
GROUPS = re.compile(r"\?P<\w+>")
WORDS = {GROUPS.sub("", pattern): words for pattern, words in PATTERNS.items()}
"""What each pattern means, by the pattern as JSON Schema writes it, without names of groups."""
NUMBERS = frozenset({"integer", "number"})


def pipeline_page() -> str:
    """The page `pipeline.md`."""
    return page("Pipeline file", INTRODUCTION, *_Sections(Pipeline.model_json_schema()).blocks())


class _Sections:
    """The sections of the file, each once: a second place that takes the same keys links to the first."""

    def __init__(self, root: Schema) -> None:
        self._root = root
        self._headings: dict[str, str] = {}

    def blocks(self) -> Iterator[str]:
        # Links point forward too, so all headings are collected before the first table is written.
        sections = [("", self._root), *self._below("", self._root)]
        for path, schema in sections:
            yield f"## {self._headings.get(schema['title'], 'Top level') if path else 'Top level'}"
            if path:
                yield schema["description"]
            yield table(("Key", "Type", "Default", "Meaning"), self._rows(schema))

    def _below(self, path: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
        for key, field in schema["properties"].items():
            place = f"{path}.{key}" if path else key
            for end, name in _references(field):
                section = self._root["$defs"][name]
                if "properties" not in section or name in self._headings:
                    continue
                inner = f"{place}{end}"
                kind = section["properties"].get("kind", {}).get("const")
                self._headings[section["title"]] = f"`{inner}`" + (f", kind `{kind}`" if kind else "")
                yield inner, section
                yield from self._below(inner, section)

    def _rows(self, schema: Schema) -> Iterator[tuple[str, str, str, str]]:
        required = schema.get("required", ())
        for key, field in schema["properties"].items():
            yield code(key), self._type(field), _default(key in required, field), field["description"]

    def _type(self, field: Schema) -> str:
        if name := _name(field):
            return self._of_definition(name)
        for choice in ("anyOf", "oneOf"):
            if choice in field:
                *types, last = dict.fromkeys(self._type(one) for one in field[choice])
                return f"{', '.join(types)}, or {last}" if types else last
        if "enum" in field or "const" in field:
            return ", ".join(code(json.dumps(v, ensure_ascii=True)) for v in field.get("enum", [field.get("const")]))
        return self._of_json_type(field)

    def _of_definition(self, name: str) -> str:
        section = self._root["$defs"][name]
        if heading := self._headings.get(section["title"]):
            return f"[{heading}](#{anchor(heading)})"
        return self._type(section)

    def _of_json_type(self, field: Schema) -> str:
        match field.get("type"):
            case "array":
                return f"list of {self._type(field['items'])}"
            case "object":
                return self._mapping(field)
            case "string":
                return _text(field)
            case str() as kind if kind in NUMBERS:
                return f"{kind}{_range(field)}"
            case str() as kind:
                return kind
            case _:
                return "any value"

    def _mapping(self, field: Schema) -> str:
        patterns: Mapping[str, Schema] = field.get("patternProperties", {})
        pattern = next(iter(patterns), "")
        values: Schema = patterns[pattern] if pattern else field["additionalProperties"]
        names: Schema = field.get("propertyNames", {})
        keys = WORDS.get(pattern, self._type({"type": "string", **names}) if names.get("enum") or _name(names) else "")
        return f"mapping of names{f' ({keys})' if keys else ''} to {self._type(values)}"


def _references(field: Any, end: str = "") -> Iterator[tuple[str, str]]:
    """Definitions that a field's value may follow, each with what a path to it ends in."""
    if name := _name(field):
        yield end, name
    for choice in ("anyOf", "oneOf"):
        for one in field.get(choice, ()):
            yield from _references(one, end)
    if isinstance(field.get("items"), dict):
        yield from _references(field["items"], f"{end}[]")
    values = [*field.get("patternProperties", {}).values(), field.get("additionalProperties")]
    for value in values:
        if isinstance(value, dict):
            yield from _references(value, f"{end}.<name>")


def _name(field: Schema) -> str:
    return str(field.get("$ref", "")).removeprefix("#/$defs/")


def _default(required: bool, field: Schema) -> str:
    if required:
        return "required"
    if "default" in field:
        return code(json.dumps(field["default"], ensure_ascii=True))
    empty = {"array": "[]", "object": "{}"}.get(field.get("type", ""))
    return code(empty) if empty else "those of its keys"


def _text(field: Schema) -> str:
    if (pattern := field.get("pattern")) in WORDS:
        return f"text: {WORDS[pattern]}"
    return {"date": "date"}.get(field.get("format", ""), "text")


def _range(field: Schema) -> str:
    bounds = {
        "at least {}": field.get("minimum"),
        "more than {}": field.get("exclusiveMinimum"),
        "at most {}": field.get("maximum"),
        "less than {}": field.get("exclusiveMaximum"),
    }
    said = [words.format(bound) for words, bound in bounds.items() if bound is not None]
    return f", {', '.join(said)}" if said else ""
