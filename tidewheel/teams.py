"""Teams that share a platform: the pool that their tasks run in, and what their trainings may take in a month.

A pipeline names its team in `owner.team`. What a team gets is a matter of the platform, and stands in its settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.ledger.training_costs import TrainingCost
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    from datetime import datetime

    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

POOL = "team-"


@dataclass(frozen=True)
class TeamUse:
    """What the trainings of a team's pipelines took in a month.

    Attributes:
        team: its name.
        pipelines: how many are declared.
        cost: of their trainings.
        quota: CPU seconds that they may take in a month; None: any.
    """

    team: str
    pipelines: int
    cost: TrainingCost
    quota: float | None

    @property
    def is_used_up(self) -> bool:
        """Whether no further training may begin this month."""
        return self.quota is not None and self.cost.cpu_seconds >= self.quota


def pool_name(team: str) -> str:
    """Name of a team's pool in Airflow: its name, of characters that metrics may hold."""
    return POOL + re.sub(r"[^a-z0-9_.-]+", "-", team.lower()).strip("-")


def team_pools(settings: Settings) -> dict[str, int]:
    """Slots of each pool, by its name; two teams whose names are alike share one with the slots of both."""
    pools: dict[str, int] = {}
    for team, slots in settings.team_slots.items():
        pools[pool_name(team)] = pools.get(pool_name(team), 0) + slots
    return pools


def team_uses(
    pipelines: Iterable[Pipeline], costs: Mapping[str, TrainingCost], settings: Settings
) -> dict[str, TeamUse]:
    """What each team has used, by its name in order; a team that has only a quota is there too.

    Args:
        pipelines: those that are declared.
        costs: of a month's trainings, by pipeline.
        settings: name the quotas.
    """
    members: dict[str, list[str]] = {team: [] for team in settings.team_cpu_seconds}
    for pipeline in pipelines:
        members.setdefault(pipeline.owner.team, []).append(pipeline.name)
    return {
        team: TeamUse(
            team,
            len(names),
            sum((costs.get(name, TrainingCost()) for name in names), TrainingCost()),
            settings.team_cpu_seconds.get(team),
        )
        for team, names in sorted(members.items())
    }


def quota_sentence(use: TeamUse, now: datetime) -> str:
    """Why no training begins; empty where one may."""
    if use.quota is None or not use.is_used_up:
        return ""
    trainings = quantity(use.cost.trainings, "training")
    return (
        f"team {use.team} has used {use.cost.cpu_seconds:,.0f} CPU seconds in {trainings} in {now:%B %Y} "
        f"(quota {use.quota:,.0f}): no training begins before the next month; raise the quota "
        "(TIDEWHEEL_TEAM_CPU_SECONDS), or start a training by hand with `Train all the same`"
    )
