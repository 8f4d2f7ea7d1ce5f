"""The JSON Schema that editors check pipeline files with."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from ruamel.yaml import YAML

from tests.tidewheel.spec.pipeline_file import SMALLEST
from tidewheel.spec import pipeline_schema

ROOT = Path(__file__).parents[3]
SCHEMA = ROOT / "docs" / "pipeline.schema.json"


def test_the_schema_in_the_docs_is_current() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == pipeline_schema(), "run `tidewheel schema > docs/pipeline.schema.json`"


def test_every_key_is_described() -> None:
    schema = json.loads(pipeline_schema())
    for section in (schema, *schema["$defs"].values()):
        for name, field in section.get("properties", {}).items():
            assert field.get("description"), f"{section['title']}.{name} has no description"


@pytest.mark.parametrize("path", sorted((ROOT / "dags").glob("*.yaml")), ids=lambda path: path.stem)
def test_a_pipeline_of_ours_fits_the_schema_and_names_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith("# yaml-language-server: $schema=../docs/pipeline.schema.json\n")
    # As an editor sees it: JSON knows no dates.
    content = json.loads(json.dumps(YAML(typ="safe").load(text), default=str))

    jsonschema.validate(content, json.loads(pipeline_schema()))


def test_an_editor_refuses_what_the_parser_refuses() -> None:
    content = YAML(typ="safe").load(SMALLEST) | {"trainning": {}}

    with pytest.raises(jsonschema.ValidationError, match="'trainning' was unexpected"):
        jsonschema.validate(content, json.loads(pipeline_schema()))
