"""A promotion with probation: who judges the version that becomes champion."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    from jobs.memory.protocol import Memory


def begin_probation(memory: Memory, version: str, as_of: date, before: str) -> None:
    """Put a version on probation, where the pipeline says so and it takes another one's place.

    Args:
        memory: of the pipeline.
        version: becomes champion.
        as_of: the day that its training looked back from.
        before: whose place it takes; empty: it is the first.
    """
    if memory.pipeline.on_probation and before:
        memory.begin_probation(version, _predecessor(memory, before), as_of)


def _predecessor(memory: Memory, before: str) -> str:
    """Which version judges: the champion, unless that is on probation itself and did worse so far."""
    running = memory.probation()
    if running is None or running.version != before:
        return before
    days = memory.paired_days(running.version, running.predecessor)
    since = [day.difference for day in days if day.day > running.as_of]
    return running.predecessor if sum(since) > 0 else before
