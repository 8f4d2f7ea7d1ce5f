"""Whether a training goes on from the champion, by `training.warm_start`: from which model, or why from none."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from jobs.training.beginning import FROM_NOTHING, Beginning
from jobs.training.going_on import Start, can_go_on
from tidewheel.errors import RegistryError

if TYPE_CHECKING:
    from jobs.data.training_data import TrainingData
    from jobs.memory.protocol import Champion, Memory

log = logging.getLogger("tidewheel.train")


class _Cold(Exception):
    """Why there is no predecessor to go on from, as the end of a sentence."""


def beginning(memory: Memory, chosen: TrainingData) -> Beginning:
    """Where a training begins.

    A warm start is no better than a fit from nothing until the gate, or the nights of its probation, have shown it. One
    that did not become champion is followed by a fit from nothing, and so are `in_a_row` of them, and an alarm.

    Args:
        memory: of the pipeline.
        chosen: the days that the training learns from, and those that judge it.
    """
    if memory.pipeline.training.warm_start is None:
        return FROM_NOTHING
    try:
        start = _start(memory, chosen)
    except _Cold as cold:
        sentence = f"fitted from the start: {cold}"
        log.info("%s", sentence)
        return Beginning(sentence=sentence)
    return Beginning(start, f"went on from version {start.version} by {start.rounds} rounds")


def _start(memory: Memory, chosen: TrainingData) -> Start:
    declared, champion = memory.pipeline.training.warm_start, memory.champion()
    assert declared is not None
    if champion is None:
        raise _Cold("there is no champion to go on from")
    if chosen.changed or chosen.fallen or chosen.tried:
        raise _Cold("an alarm called for this training, and the champion is what the alarm is about")
    us = f"version {champion.version}"
    try:
        origin = memory.origin(champion.version)
        newest = memory.newest_version()
        if newest not in (None, champion.version) and memory.origin(newest).warm_starts:
            raise _Cold(f"version {newest}, a warm start, is not the champion")
        if origin.differs:
            raise _Cold(f"{us} {origin.differs}")
        number = origin.warm_starts + 1
        if number > declared.in_a_row:
            raise _Cold(f"{us} ended {declared.in_a_row} warm starts in a row (training.warm_start.in_a_row)")
        start = memory.start(champion.version, declared.rounds, number, judged=_from_twin(chosen, champion))
    except (RegistryError, ValueError) as error:
        raise _Cold(f"{us}, the champion, cannot be opened ({error})") from error
    if not can_go_on(start.model):
        raise _Cold(f"{us} is of a kind that cannot learn on")
    return start


def _from_twin(chosen: TrainingData, champion: Champion) -> bool:
    """Whether to go on from the twin that the gate judged, since the version itself knows the days that will judge."""
    if not chosen.holdout:
        return False
    first = chosen.holdout[0].day
    if champion.learned_until < first:
        return False
    if champion.judged_until < first:
        return True
    raise _Cold(f"version {champion.version} learned from {champion.learned_until}, a day that the gate holds out")
