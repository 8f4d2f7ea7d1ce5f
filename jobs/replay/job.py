"""The job: play each policy with each seed, summarize, and leave page and JSON in the lake."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from jobs.job import Job, Result
from jobs.replay.daily import daily_losses
from jobs.replay.history import History
from jobs.replay.page import Replayed, lead, replay_page
from jobs.replay.policies import SPEC, parse_policy
from jobs.replay.seeds import seeds_of
from jobs.replay.series import quality_over_time
from jobs.replay.simulation import Simulation
from jobs.replay.simulations import simulate_all
from jobs.replay.summary import PolicySummary, summarize
from jobs.replay.workers import ReplayScope
from tidewheel.errors import UsageError
from tidewheel.options import ReplayOptions

log = logging.getLogger("tidewheel.replay")
INTERRUPTED = 130


def work(job: Job[ReplayOptions]) -> Result:
    """Play a pipeline's history under several retraining policies, and tell what each was worth and what it cost.

    A simulation that an earlier call has stored is not run again, as long as neither code, data nor pipeline changed.
    """
    policies = _asked(job)
    history = History.read(job.lake, job.pipeline, job.partitions)
    asked = [job.pipeline.training.seed + number for number in range(job.options.seeds)]
    scope = ReplayScope(job.settings, job.pipeline, job.partitions, job.settings.replay_cache / job.pipeline.name)
    try:
        seeds = seeds_of(scope, history, policies, asked)
        plays = simulate_all(scope, history, policies, seeds, job.options.workers)
    except KeyboardInterrupt:
        log.warning("stopped; the same command goes on where it was")
        sys.exit(INTERRUPTED)
    rows = history.taken(history.days_of(job.partitions))
    summaries = summarize(job.pipeline, rows, plays)
    series = {
        one.policy: quality_over_time(job.pipeline, rows, of_policy(plays, one.policy), job.partitions)
        for one in summaries
    }
    folder = f"{job.pipeline.name}/reports/replay/{job.partitions.first}..{job.partitions.last}"
    played = Replayed(job.pipeline, job.partitions, len(rows), plays, len(asked), job.code_version)
    page = replay_page(played, summaries, series)
    job.lake.store.replace(f"{folder}/replay.html", page.encode())
    daily = {one.policy: daily_losses(job.pipeline, rows, of_policy(plays, one.policy)) for one in summaries}
    names = {"data": history.fingerprint, "days": list(dict.fromkeys(rows.days))}
    found = names | _as_json(job, summaries, daily, plays)
    job.lake.store.replace(f"{folder}/replay.json", json.dumps(found, indent=1, default=str).encode())
    return Result(
        inputs={"history": history.fingerprint},
        figures=_figures(summaries),
        links={"Replay": f"{folder}/replay.html", "Figures": f"{folder}/replay.json"},
        sentence=lead(job.pipeline, summaries),
    )


def _asked(job: Job[ReplayOptions]) -> list[str]:
    """The policies, each once, and each known.

    Raises:
        UsageError: one is not, or lacks what it is made from; or there is nothing to play.
    """
    named = job.options.policy
    asked = {text: parse_policy(text, job.pipeline, job.partitions) for text in named}
    if SPEC not in named and (waiting := [text for text in named if asked[text].waits]):
        raise UsageError(f"policy {waiting[0]} is made from what {SPEC} did: name --policy {SPEC}, too")
    for draft in (text for text in named if text.endswith((".yaml", ".yml"))):
        if others := [text for text in named if text != draft and asked[text].name == asked[draft].name]:
            raise UsageError(
                f"--policy {draft} and --policy {others[0]} would both be shown as {asked[draft].name!r}, the folder's "
                "name; put the drafts into folders of other names"
            )
    return list({one.name: text for text, one in reversed(asked.items())}.values())[::-1]


def _figures(summaries: Sequence[PolicySummary]) -> dict[str, float]:
    return {
        f"{one.policy} {name}": value
        for one in summaries
        for name, value in (("quality", one.quality.value), ("fits", one.fits))
    }


def of_policy(plays: Sequence[Simulation], policy: str) -> list[Simulation]:
    """The plays of one policy."""
    return [play for play in plays if play.policy == policy]


def _as_json(
    job: Job, summaries: Sequence[PolicySummary], daily: Mapping[str, Any], plays: Sequence[Simulation]
) -> dict[str, Any]:
    return {
        "pipeline": job.pipeline.name,
        "metric": job.pipeline.metric,
        "first": job.partitions.first,
        "last": job.partitions.last,
        "code_version": job.code_version,
        "policies": [
            {**asdict(one), "cpu_seconds_each": one.cpu_seconds_each, "daily": daily[one.policy]} for one in summaries
        ],
        "plays": [
            {
                "policy": play.policy,
                "seed": play.seed,
                "seconds": play.seconds,
                "trainings": [asdict(training) for training in play.trainings],
                "decisions": [asdict(decision) for decision in play.decisions],
                "versions": {str(day): version for day, version in play.versions.items()},
            }
            for play in plays
        ],
    }
