"""What runs beside a model logs: text, or JSON as `docs/log-line.schema.json` describes it."""

from __future__ import annotations

import json
import logging
import os
import re
from datetime import UTC, datetime

TEXT = "%(asctime)s %(levelname)s %(message)s"
_URL_LOGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/\"']*@")


class JsonLines(logging.Formatter):
    """Formats a record as one line.

    Args:
        pipeline: of the model.
    """

    def __init__(self, pipeline: str) -> None:
        super().__init__()
        self._pipeline = pipeline

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its end."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _redacted(record.getMessage()),
            "pipeline": self._pipeline,
        }
        if record.exc_info:
            line["exception"] = _redacted(self.formatException(record.exc_info))
        return json.dumps(line)


def configure(pipeline: str) -> None:
    """Log to stderr, from INFO on, in the form that TIDEWHEEL_LOG_FORMAT names.

    Args:
        pipeline: of the model.
    """
    handler = logging.StreamHandler()
    as_json = os.environ.get("TIDEWHEEL_LOG_FORMAT", "").lower() == "json"
    handler.setFormatter(JsonLines(pipeline) if as_json else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def _redacted(text: str) -> str:
    return _URL_LOGIN.sub(r"\g<scheme>***@", text)
