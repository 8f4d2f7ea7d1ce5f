"""What failed of a job without ending it: a column's detector, a plot, a slice, a trial. Named, never swallowed.

A failure is a warning in the log, in the job's record and on its page. What we refuse on purpose, and what a lake or a
registry does not answer, ends the job as ever: there the whole must be tried again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import SQLAlchemyError

from tidewheel.errors import TidewheelError
from tidewheel.quantities import listing

log = logging.getLogger("tidewheel.job")
NAMED = 3
LONGEST = 300


class PartialFailures:
    """Collects what fails in one job.

    Args:
        raising: let every error through; for callers that have no record to name it in.
    """

    def __init__(self, *, raising: bool = False) -> None:
        self._raising = raising
        self.sentences: list[str] = []

    @contextmanager
    def named(self, what: str) -> Iterator[None]:
        """Let the job go on where this block fails.

        Args:
            what: names the part for a person, for example `column weight: wasserstein`.
        """
        try:
            yield
        except Exception as error:
            if self._raising or _must_be_tried_again(error):
                raise
            self.add(what, error)
            log.debug("%s failed", what, exc_info=True)

    def add(self, what: str, error: Exception | str) -> None:
        """Note a failure that was caught already."""
        self.sentences.append(f"{what} failed: {cause(error)}")
        log.warning("%s; the rest goes on", self.sentences[-1])


RAISING = PartialFailures(raising=True)
"""For callers that want no part to be left out."""


def _must_be_tried_again(error: Exception) -> bool:
    """Whether lake, ledger, registry or disk do not answer: then no part of the job is to blame."""
    away = isinstance(error, TidewheelError | SQLAlchemyError | OSError)
    return away and not isinstance(error, TimeoutError)


def cause(error: Exception | str) -> str:
    """An error in one line, for a person."""
    if isinstance(error, str):
        return error
    words = " ".join(str(error).split())
    return f"{type(error).__name__}{f': {words}' if words else ''}"[:LONGEST]


def failures_in_words(sentences: list[str] | tuple[str, ...]) -> str:
    """The first failures as the end of a job's sentence; empty where there is none."""
    if not sentences:
        return ""
    named = listing(sentences, NAMED, separator="; ", rest="; and {:,} more")
    return f"; not all of it was computed: {named}"
