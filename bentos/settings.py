"""What the environment says of one endpoint process."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bentos.log_limits import MEGABYTE, USUAL, LogLimits

LEVELS = ("debug", "info", "warning", "error")
VARIABLES = {
    "TIDEWHEEL_COLOUR": "blue or green; set by the release backend. Default: none",
    "TIDEWHEEL_REQUEST_LOG": "folder of the prediction log; set by the release backend. Default: no log",
    "TIDEWHEEL_PLATFORM_TOKEN": "secret that marks the platform's own requests; set by the release backend",
    "TIDEWHEEL_ENDPOINT_TOKEN": "token that a caller must present. Default: every caller is admitted",
    "TIDEWHEEL_ENDPOINT_TOKEN_FILE": "file with one accepted token a line, so that tokens can be rotated",
    "TIDEWHEEL_ENDPOINT_LOG_LEVEL": f"{', '.join(LEVELS)}; debug logs one line a request. Default: info",
    "TIDEWHEEL_ENDPOINT_LOG_REQUEST_MB": "most MiB of one request that are logged; later rows of it are left out. "
    f"Default: {USUAL.request_bytes // MEGABYTE}",
    "TIDEWHEEL_ENDPOINT_LOG_DAY_MB": f"most MiB that one colour logs in a day. Default: {USUAL.day_bytes // MEGABYTE}",
    "TIDEWHEEL_ENDPOINT_LOG_SEGMENT_MB": f"most MiB of one log file. Default: {USUAL.segment_bytes // MEGABYTE}",
    "TIDEWHEEL_ENDPOINT_LOG_FOLDER_MB": "most MiB of all files in the log folder; beyond it, requests are answered and "
    "not logged. Default: no limit",
}
"""Variables that a model service reads, and what each means."""


@dataclass(frozen=True)
class EndpointSettings:
    """What differs between one process and the next that serve the same Bento.

    Attributes:
        colour: blue or green, `none` where it was not set.
        request_log: folder of the prediction log, None where none is written.
        tokens: a caller must show one of these; none: every caller is admitted.
        log_level: of our own log lines; `debug` gives one line a request.
        traces: spans are sent to where OpenTelemetry's own variables say.
        log_limits: of the prediction log.
        platform_token: what the platform's own requests show.
    """

    colour: str = "none"
    request_log: Path | None = None
    tokens: tuple[bytes, ...] = field(default=(), repr=False)
    log_level: str = "info"
    traces: bool = False
    log_limits: LogLimits = USUAL
    platform_token: bytes = field(default=b"", repr=False)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> EndpointSettings:
        """Read `TIDEWHEEL_COLOUR`, `TIDEWHEEL_REQUEST_LOG`, `TIDEWHEEL_ENDPOINT_...` and `OTEL_...`.

        Raises:
            ValueError: a token file holds no token, or a level or a limit is none.
            OSError: a token file cannot be read.
        """
        folder = environment.get("TIDEWHEEL_REQUEST_LOG")
        return cls(
            colour=environment.get("TIDEWHEEL_COLOUR", "none"),
            request_log=Path(folder) if folder else None,
            tokens=_tokens(environment),
            log_level=_level(environment.get("TIDEWHEEL_ENDPOINT_LOG_LEVEL", "info")),
            traces=_traces(environment),
            log_limits=_log_limits(environment),
            platform_token=environment.get("TIDEWHEEL_PLATFORM_TOKEN", "").encode(),
        )


def _traces(environment: Mapping[str, str]) -> bool:
    if environment.get("OTEL_SDK_DISABLED", "").lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    return any(environment.get(f"OTEL_EXPORTER_OTLP_{name}") for name in ("ENDPOINT", "TRACES_ENDPOINT"))


def _log_limits(environment: Mapping[str, str]) -> LogLimits:
    return LogLimits(
        request_bytes=_megabytes(environment, "TIDEWHEEL_ENDPOINT_LOG_REQUEST_MB", USUAL.request_bytes),
        day_bytes=_megabytes(environment, "TIDEWHEEL_ENDPOINT_LOG_DAY_MB", USUAL.day_bytes),
        segment_bytes=_megabytes(environment, "TIDEWHEEL_ENDPOINT_LOG_SEGMENT_MB", USUAL.segment_bytes),
        folder_bytes=_megabytes(environment, "TIDEWHEEL_ENDPOINT_LOG_FOLDER_MB", 0) or USUAL.folder_bytes,
    )


def _megabytes(environment: Mapping[str, str], name: str, usual: int) -> int:
    value = environment.get(name, "")
    if not value:
        return usual
    if not value.isascii() or not value.isdigit() or not int(value):
        raise ValueError(f"{name} is {value!r}: expected a whole number of MiB, 1 or more")
    return int(value) * MEGABYTE


def _level(name: str) -> str:
    if name.lower() not in LEVELS:
        raise ValueError(f"TIDEWHEEL_ENDPOINT_LOG_LEVEL is {name!r}: expected one of {', '.join(LEVELS)}")
    return name.lower()


def _tokens(environment: Mapping[str, str]) -> tuple[bytes, ...]:
    """From the variable, and a line each from the file, so that an old and a new one can be good at the same time."""
    token, path = (environment.get(f"TIDEWHEEL_ENDPOINT_TOKEN{suffix}", "") for suffix in ("", "_FILE"))
    lines = Path(path).read_text(encoding="utf-8").splitlines() if path else []
    tokens = tuple(line.strip().encode() for line in (token, *lines) if line.strip())
    if path and not tokens:
        # An empty file must not open the door.
        raise ValueError(f"TIDEWHEEL_ENDPOINT_TOKEN_FILE: {path} holds no token; expected one a line")
    return tokens
