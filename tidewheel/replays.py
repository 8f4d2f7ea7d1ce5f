"""Two replays of the same days, policy by policy: what one gains over the other, from the JSON files that they left."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tidewheel.errors import UsageError

RESAMPLES = 2_000
CONFIDENCE = 0.95


class Daily(BaseModel):
    """The losses of a policy, day by day."""

    model_config = ConfigDict(frozen=True)

    weight: tuple[float, ...] = Field(description="rows of each day, or the sum of their weights")
    loss: tuple[float, ...] = Field(description="sum of the losses of these rows")


class PlayedPolicy(BaseModel):
    """What a replay says of a policy."""

    model_config = ConfigDict(frozen=True)

    policy: str
    fits: float
    cpu_seconds: float
    cpu_seconds_each: float
    daily: Daily


class Replay(BaseModel):
    """What `replay.json` holds, as far as a comparison reads it."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    metric: str
    data: str = Field(description="names features and labels of the history by content")
    days: tuple[str, ...] = Field(description="that have rows")
    policies: tuple[PlayedPolicy, ...]

    @property
    def by_name(self) -> dict[str, PlayedPolicy]:
        """The policies by their names."""
        return {one.policy: one for one in self.policies}


@dataclass(frozen=True)
class Compared:
    """One policy in two replays.

    Attributes:
        policy: its name.
        first: mean loss in the first.
        second: mean loss in the second.
        low: lower end of the 95% interval of second less first, from days drawn as blocks, the same for both.
        high: upper end.
        fits: of both.
        cpu_seconds: of both.
        cpu_seconds_each: of both, for each model that served.
    """

    policy: str
    first: float
    second: float
    low: float
    high: float
    fits: tuple[float, float]
    cpu_seconds: tuple[float, float]
    cpu_seconds_each: tuple[float, float]


def read_replay(path: Path) -> Replay:
    """Read `replay.json`.

    Raises:
        UsageError: it is not there, or was written by an older release.
    """
    try:
        return Replay.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}); expected the replay.json of a replay") from error
    except ValidationError as error:
        wrong = error.errors()[0]
        where = ".".join(map(str, wrong["loc"])) or "the file"
        raise UsageError(
            f"{path} is no replay.json of this release: {where}: {wrong['msg']}; replay once more (what is stored is "
            "not played again)"
        ) from error


def compare(first: Replay, second: Replay, seed: int = 0) -> list[Compared]:
    """Compare the policies that both have, on the same drawn days.

    Args:
        first: a replay.
        second: another of the same pipeline, metric, days and data, with other code or another declaration.
        seed: of the drawing.

    Raises:
        UsageError: they are of different days, or have no policy in common.
    """
    for name in ("pipeline", "metric", "days", "data"):
        if getattr(first, name) != getattr(second, name):
            shown = [_shown(getattr(one, name)) for one in (first, second)]
            raise UsageError(f"the two replays differ in {name} ({shown[0]}, {shown[1]}), so no day can be paired")
    common = [name for name in first.by_name if name in second.by_name]
    if not common:
        raise UsageError(
            f"the two replays have no policy in common ({', '.join(first.by_name)}; {', '.join(second.by_name)})"
        )
    days = range(len(first.days))
    generator = random.Random(seed)  # noqa: S311 - draws days, keeps no secret
    drawn = [generator.choices(days, k=len(days)) for _ in range(RESAMPLES)]
    return [_compared(first.by_name[name], second.by_name[name], drawn) for name in common]


def _compared(ours: PlayedPolicy, theirs: PlayedPolicy, drawn: Sequence[Sequence[int]]) -> Compared:
    differences = sorted(_mean(theirs.daily, days) - _mean(ours.daily, days) for days in drawn)
    tail = round(len(differences) * (1 - CONFIDENCE) / 2)
    everything = range(len(ours.daily.weight))
    return Compared(
        ours.policy,
        _mean(ours.daily, everything),
        _mean(theirs.daily, everything),
        differences[tail],
        differences[-tail - 1],
        (ours.fits, theirs.fits),
        (ours.cpu_seconds, theirs.cpu_seconds),
        (ours.cpu_seconds_each, theirs.cpu_seconds_each),
    )


def _mean(daily: Daily, days: Sequence[int]) -> float:
    return sum(daily.loss[day] for day in days) / sum(daily.weight[day] for day in days)


def _shown(value: object) -> str:
    return f"{value[0]} to {value[-1]}, {len(value)} days" if isinstance(value, tuple) and value else str(value)[:20]
