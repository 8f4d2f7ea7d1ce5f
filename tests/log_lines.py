"""Lines of a log in JSON, held against the schema of the documentation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

SCHEMA = Path(__file__).parents[1] / "docs" / "log-line.schema.json"
VALIDATOR = Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def log_lines(text: str) -> list[dict[str, Any]]:
    """The records of a log; it fails where a line is not one of the schema's."""
    found = [json.loads(line) for line in text.splitlines()]
    for line in found:
        VALIDATOR.validate(line)
    return found
