"""Asking a model service over HTTP, the way a caller would."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import httpx

from tidewheel.errors import ReleaseError
from tidewheel.http_client import failure, http_client
from tidewheel.release.artifact import Prediction

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

TIMEOUT_SECONDS = 10.0
TOKEN_VARIABLES = ("TIDEWHEEL_ENDPOINT_TOKEN", "TIDEWHEEL_ENDPOINT_TOKEN_FILE")
PROBE = "x-tidewheel-probe"
"""Header with which a release shows that its requests are no caller's: the prediction log leaves them out."""


class Unanswered(ReleaseError):
    """There is nobody to answer, or the connection breaks."""


@dataclass(frozen=True)
class ServedPredictions:
    """One answer of a service.

    Attributes:
        predictions: one a row; of a multiclass model the probability of each class.
    """

    predictions: list[Prediction]
    version: str
    colour: str
    milliseconds: float

    @property
    def scores(self) -> list[float]:
        """One number a row; of a multiclass model the probability of the class that is predicted."""
        return [max(said) if isinstance(said, list) else said for said in self.predictions]


class Probe:
    """One persistent connection to a service.

    Args:
        address: URL of a colour, or of the pipeline through the router.
        timeout_seconds: for each answer.
        platform_token: what the backend says that a release shows, see `Backend.token`.
    """

    def __init__(self, address: str, timeout_seconds: float = TIMEOUT_SECONDS, *, platform_token: str = "") -> None:
        self.address = address.rstrip("/")
        self._client = http_client(seconds=timeout_seconds, headers=_headers(platform_token))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def unready(self) -> str:
        """Why the service is not ready, empty where it is."""
        try:
            answer = self._client.get(f"{self.address}/readyz")
        except httpx.TransportError as error:
            return f"{self.address} does not answer ({failure(error)})"
        return "" if answer.is_success else f"{self.address}/readyz says {answer.status_code}: {answer.text[:300]}"

    def predict(self, rows: Sequence[dict[str, Any]]) -> ServedPredictions:
        """Ask for predictions.

        Raises:
            Unanswered: there is no answer.
            ReleaseError: it is not a good one.
        """
        started = time.perf_counter()
        try:
            answer = self._client.post(f"{self.address}/predict", json={"rows": list(rows)})
        except httpx.TransportError as error:
            raise Unanswered(f"{self.address}/predict does not answer: {failure(error)}") from error
        milliseconds = (time.perf_counter() - started) * 1000
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            raise ReleaseError(f"{self.address}/predict wants a token: {_no_token()}")
        if not answer.is_success:
            raise ReleaseError(f"{self.address}/predict says {answer.status_code}: {answer.text[:500]}")
        document = answer.json()
        by_class = document.get("probabilities")
        predictions = document["predictions"] if by_class is None else [[*row.values()] for row in by_class]
        return ServedPredictions(predictions, document["model_version"], document["colour"], milliseconds)


def _headers(platform_token: str) -> dict[str, str]:
    """What marks a release's requests, and the callers' token where this process knows one."""
    marks = {PROBE: platform_token} if platform_token else {}
    return {**marks, "authorization": f"Bearer {token}"} if (token := caller_token()) else marks


def caller_token() -> str:
    """The first token of those that the services let in, found where they find them; empty where there is none."""
    token, path = (os.environ.get(name, "") for name in TOKEN_VARIABLES)
    known = [token, *(Path(path).read_text(encoding="utf-8").splitlines() if path else [])]
    return next((line.strip() for line in known if line.strip()), "")


def _no_token() -> str:
    """Why a service that wants a token has not let this process in."""
    found = "the one here is not among those it knows" if caller_token() else "none is set here"
    return (
        f"{found}; set {' or '.join(TOKEN_VARIABLES)} as where the platform was started, since a model service has it "
        "from there and a release from its own shell"
    )
