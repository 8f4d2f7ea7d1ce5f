"""The CPU seconds that a team's trainings may take in a month."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidewheel.ledger import Ledger
from tidewheel.ledger.training_costs import month_costs
from tidewheel.spec.load import declared_pipelines
from tidewheel.teams import quota_sentence, team_uses

if TYPE_CHECKING:
    from datetime import datetime

    from jobs.job import Job


def used_up(job: Job, now: datetime) -> str:
    """Why no training of this team begins any more this month; empty where one may, or the team has no quota."""
    team = job.pipeline.owner.team
    if team not in job.settings.team_cpu_seconds:
        return ""
    with Ledger.open(job.settings).session() as session:
        costs = month_costs(session, now)
    pipelines = filter(None, declared_pipelines(job.settings.pipelines_folder).values())
    return quota_sentence(team_uses(pipelines, costs, job.settings)[team], now)
