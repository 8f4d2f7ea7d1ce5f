"""What a service prints: one JSON object a line, as `docs/log-line.schema.json` describes it."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

FIELDS = "fields"
"""Name of the `extra` that holds a line's own fields, such as the request's id."""
_URL_LOGIN = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*://)[^\s/\"']*@")


class JsonLines(logging.Formatter):
    """Formats a record as `{"time", "level", "logger", "message", ...}`, with its own fields after these.

    Args:
        secrets: values that no line shows.
        fields: of every line of this process.
    """

    def __init__(self, secrets: tuple[bytes, ...] = (), **fields: str) -> None:
        super().__init__()
        self._secrets = [secret.decode(errors="replace") for secret in secrets if secret]
        self._fields = fields

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its end. All but ASCII is escaped: some characters end a line for some readers."""
        try:
            message = record.getMessage()
        except Exception:  # a library's arguments do not fit its own format
            message = f"{record.msg} {record.args!r}"
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._redacted(message),
            **self._fields,
            **getattr(record, FIELDS, {}),
        }
        if record.exc_info:
            line["exception"] = self._redacted(self.formatException(record.exc_info))
        return json.dumps(line, default=str)

    def _redacted(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return _URL_LOGIN.sub(r"\g<scheme>***@", text)


def configure(level: str, secrets: tuple[bytes, ...] = (), **fields: str) -> None:
    """Print all that is logged, of our own loggers from a level on, and what ends the process.

    Args:
        level: of our own loggers.
        secrets: values that no line shows.
        fields: of every line.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(secrets, **fields))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("tidewheel").setLevel(level.upper())
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    logging.getLogger("tidewheel").critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))
