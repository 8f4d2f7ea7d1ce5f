"""What our processes write to their logs: text for a person at a terminal, or JSON, one record a line.

`TIDEWHEEL_LOG_FORMAT=json` chooses. The fields of a JSON line are those of `docs/log-line.schema.json`. Neither form
shows passwords and keys.
"""

from __future__ import annotations

import json
import logging
import math
import os
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

FORMAT_VARIABLE = "TIDEWHEEL_LOG_FORMAT"
TEXT = "%(asctime)s %(levelname)s %(message)s"
FIELDS = "fields"
"""Name of the `extra` that holds a line's own fields, such as a request's id."""
HIDDEN = "***"
SHORTEST_SECRET = 8
"""A shorter value is part of ordinary words too often to be replaced wherever it occurs."""

_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|API_?KEY|ACCESS_?KEY|CREDENTIAL", re.IGNORECASE)
_URL_LOGIN = re.compile(r"(?P<before>[A-Za-z][A-Za-z0-9+.-]*://(?:[^\s/:@\"']*:)?)[^\s/\"']*@")
_ASSIGNED = re.compile(
    r"(?P<before>[\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)[\w.-]*[\"']?\s*=\s*[\"']?)[^\s\"',;&)}\]]+",
    re.IGNORECASE,
)
_QUOTED = re.compile(
    r"(?P<before>[\"'][\w.-]*(?:password|passwd|secret|token|api[_-]?key|access[_-]?key)[\w.-]*[\"']\s*:\s*[\"'])[^\"']+",
    re.IGNORECASE,
)
_HEADER = re.compile(
    r"(?P<before>(?:authorization|x-api-key|api-key)[\"']?\s*[:=]\s*[\"']?(?:(?:bearer|basic)\s+)?)[^\s\"',;]+",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?P<before>\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE)
_PATTERNS = (_URL_LOGIN, _HEADER, _BEARER, _QUOTED, _ASSIGNED)

_context: dict[str, str] = {}
_secrets: set[str] = set()


def is_json(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether logs are written as JSON; `tidewheel.settings` refuses a value that is neither `json` nor `text`."""
    return environment.get(FORMAT_VARIABLE, "").lower() == "json"


def configure(text: str = TEXT, level: int = logging.INFO) -> None:
    """Log to stderr, in the form that the environment names; in JSON also warnings and what ends the process.

    Args:
        text: format of a line where logs are text.
        level: of the records that are written.
    """
    hide(value for name, value in os.environ.items() if _SECRET_NAME.search(name) and not name.endswith("_FILE"))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if is_json() else TextLines(text))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("httpx").setLevel(max(level, logging.WARNING))  # below, it has a line for each request
    if is_json():
        logging.captureWarnings(True)
        sys.excepthook = _log_uncaught
        threading.excepthook = _log_uncaught_in_thread


def describe(**fields: str) -> None:
    """Add fields to every JSON line of this process from now on; empty ones are left out."""
    _context.update(fields)


def hide(secrets: Iterable[str]) -> None:
    """Replace these values wherever they occur in a line from now on."""
    _secrets.update(secret for secret in secrets if len(secret) >= SHORTEST_SECRET)


def redacted(text: str) -> str:
    """The text without passwords and keys: those that are known, and what stands where one usually does."""
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<before>{HIDDEN}{'@' if pattern is _URL_LOGIN else ''}", text)
    return text


class TextLines(logging.Formatter):
    """Formats a record as text."""

    def format(self, record: logging.LogRecord) -> str:
        """The record's lines."""
        return redacted(super().format(record))


class JsonLines(logging.Formatter):
    """Formats a record as one line, `{"time", "level", "logger", "message", ...}`."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, without its end. All but ASCII is escaped: some characters end a line for some readers."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": redacted(_message(record)),
            **{name: value for name, value in {**_context, **_span_fields()}.items() if value},
            **{name: _plain(value) for name, value in getattr(record, FIELDS, {}).items()},
        }
        if record.exc_info:
            line["exception"] = redacted(self.formatException(record.exc_info))
        return json.dumps(line)


def read_line(text: str) -> Mapping[str, Any] | None:
    """A line that `JsonLines` wrote, None where it is anything else."""
    if not text.startswith("{"):
        return None
    try:
        line = json.loads(text)
    except ValueError:
        return None
    return line if isinstance(line, dict) and {"level", "message"} <= line.keys() else None


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception:  # a library's arguments do not fit its own format
        return f"{record.msg} {record.args!r}"


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    return redacted(str(value))


def _span_fields() -> dict[str, str]:
    """Ids of the current span, where the process traces at all."""
    if (trace := sys.modules.get("opentelemetry.trace")) is None:
        return {}
    context = trace.get_current_span().get_span_context()
    return {"trace_id": f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"} if context.is_valid else {}


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logging.getLogger("tidewheel").critical("%s: %s", kind.__name__, error, exc_info=(kind, error, trace))


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    if arguments.exc_value is not None:
        _log_uncaught(arguments.exc_type, arguments.exc_value, arguments.exc_traceback)
