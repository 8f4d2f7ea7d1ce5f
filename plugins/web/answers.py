"""Waiting for the parts of the platform that a page asks: a part that does not answer is named, and no more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from tidewheel.errors import TidewheelError
from tidewheel.logs import redacted

if TYPE_CHECKING:
    from concurrent.futures import Future

T = TypeVar("T")
PAGE_PATIENCE_SECONDS = 3.0
"""A page shows what it knows rather than wait for a part that is silent."""
QUESTIONS_AT_ONCE = 8
REGISTRY, LEDGER, LAKE, AIRFLOW = "MLflow", "the ledger", "the lake", "Airflow"


class Answers:
    """Waits for answers, all together no longer than a page may take.

    Args:
        patience_seconds: how long a page may take.

    Attributes:
        silent: the parts that did not answer, each with the reason.
    """

    def __init__(self, patience_seconds: float) -> None:
        self.silent: dict[str, str] = {}
        self._patience = patience_seconds
        self._deadline = time.monotonic() + patience_seconds

    def of(self, part: str, answer: Future[T]) -> T | None:
        """What a part answers; None where it is silent."""
        try:
            return answer.result(max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            self.silent.setdefault(part, f"{part} has not answered within {self._patience:g} s")
        except Exception as error:  # whatever a database, a registry or any kind of store may raise
            named = isinstance(error, TidewheelError)  # what we word ourselves says who is meant
            self.silent.setdefault(part, redacted(str(error) if named else f"{part} does not answer: {error}"))
        return None
