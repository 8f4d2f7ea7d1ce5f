"""What a service prints: one JSON object a line, errors with their traceback."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any

import pydantic_core

FIELDS = "fields"
"""Name of the `extra` that holds a line's own fields, such as the request's id."""


class JsonLines(logging.Formatter):
    """Formats a record as `{"time", "level", "logger", "message", ...}`, with its own fields after these."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return pydantic_core.to_json(line, fallback=str).decode()


def configure(level: str) -> None:
    """Print all that is logged, of our own loggers from a level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("tidewheel").setLevel(level.upper())
