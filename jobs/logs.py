"""What a job writes to its log: its own sentences, a team's, and what libraries warn of; not what they chat about."""

from __future__ import annotations

import logging
import sysconfig
from pathlib import Path

from tidewheel.logs import TEXT, configure

_LIBRARIES = tuple({str(Path(sysconfig.get_path(name))) for name in ("purelib", "platlib", "stdlib")})


def set_up_logging(line: str = TEXT) -> None:
    """Log to stderr: everything from INFO on, of installed libraries from WARNING on.

    Args:
        line: format of a line, where logs are text.
    """
    configure(line)
    for handler in logging.getLogger().handlers:
        handler.addFilter(matters)


def matters(record: logging.LogRecord) -> bool:
    """Whether a record belongs into a job's log."""
    return record.levelno >= logging.WARNING or not record.pathname.startswith(_LIBRARIES)
