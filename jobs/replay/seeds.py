"""Which policies' models depend on the seed: where none does, one play says what three would."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import threadpoolctl

from jobs.models.prediction import Array, predict
from jobs.replay.fits import Fitter
from jobs.replay.policies import parse_policy
from jobs.replay.result_cache import ResultCache
from tidewheel.errors import ModelRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jobs.replay.history import History
    from jobs.replay.workers import ReplayScope
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.replay")


def seeds_of(
    scope: ReplayScope, history: History, policies: Sequence[str], seeds: Sequence[int]
) -> dict[str, list[int]]:
    """The seeds that each policy is to be played with: all, or the first alone where they change nothing.

    They change nothing where models of two seeds, fitted to all days that are known at the end, predict the played days
    alike to the last bit. The largest fit is looked at since some estimators draw rows only of many. A search draws
    parameters by the seed, so its pipeline is played with all of them.

    Args:
        scope: what the simulations have in common.
        history: its data.
        policies: as the person wrote them.
        seeds: of the models.
    """
    if len(seeds) > 1:
        log.info("fitting two models of the last day, to see whether seeds change anything")
    found: dict[str, list[int]] = {}
    tried: dict[str, bool] = {}
    for policy in policies:
        pipeline = parse_policy(policy, scope.pipeline, scope.played).make(1).pipeline
        key = pipeline.training.model_dump_json()
        if key not in tried:
            tried[key] = len(seeds) > 1 and not pipeline.training.search and _alike(scope, history, pipeline, seeds[:2])
        found[policy] = [seeds[0]] if tried[key] else list(seeds)
    return found


def _alike(scope: ReplayScope, history: History, pipeline: Pipeline, seeds: Sequence[int]) -> bool:
    known = history.on(scope.played.last)
    days = known.matured()
    if sum(day.rows for day in days) < pipeline.training.minimum_rows:
        return False
    rows, cache = history.taken(history.days_of(scope.played)), ResultCache(scope.folder)
    said: list[Array] = []
    with threadpoolctl.threadpool_limits(1):
        try:
            for seed in seeds:
                model = Fitter(pipeline, seed, cache).fit(known, days).model
                said.append(predict(model, rows.frame, pipeline.task))
        except ModelRefused:  # what cannot be fitted is named by the play
            return False
    return np.array_equal(said[0], said[1], equal_nan=True)
