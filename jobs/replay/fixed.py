"""The simple policies at work: trained on everything known, on certain days, promoted unseen."""

from __future__ import annotations

from datetime import date

from jobs.models.prediction import Array, FittedModel
from jobs.replay.fits import Fit, Fitter
from jobs.replay.history import Known
from jobs.replay.policies import Fixed
from jobs.replay.retraining import EveningDecision, ReplayedTraining
from tidewheel.errors import DataRefused
from tidewheel.policies.verdict import Outcome


class FixedRetraining:
    """Does what a `Fixed` policy says.

    Args:
        policy: on which days.
        fitter: fits the models.
    """

    def __init__(self, policy: Fixed, fitter: Fitter) -> None:
        self._policy = policy
        self._fitter = fitter
        self._champion: Fit | None = None
        self._trained = 0

    @property
    def champion(self) -> tuple[str, FittedModel]:
        """The model of the last training."""
        if self._champion is None:
            raise ValueError("nothing was trained yet")
        return str(self._trained), self._champion.model

    def predicted(self, day: date, answers: Array) -> None:
        """Nothing is watched."""

    def decide(self, known: Known) -> EveningDecision:
        """Whether the day is one of the plan's."""
        fired = known.as_of in self._policy.days
        return EveningDecision(
            known.as_of, fired, f"{self._policy.name} {'trains' if fired else 'does not train'} today"
        )

    def train(self, known: Known, why: str) -> ReplayedTraining:
        """Fit all matured days of the training window, and promote.

        Raises:
            DataRefused: too few rows.
        """
        pipeline = self._policy.pipeline
        days = known.matured()
        if days and pipeline.training.window_days is not None:
            days = [d for d in days if d.day > pipeline.block.before(days[-1].day, pipeline.training.window_days)]
        rows = sum(day.rows for day in days)
        if rows < pipeline.training.minimum_rows:
            raise DataRefused(
                f"{pipeline.name}: {rows:,} labelled rows are known on {known.as_of}, training.minimum_rows requires "
                f"{pipeline.training.minimum_rows:,}: play from a later day on (--from)"
            )
        fit = self._fitter.fit(known, days)
        self._trained += 1
        self._champion = fit
        says = f"promoted unseen, learned from {fit.rows:,} rows until {fit.learned_until}"
        return ReplayedTraining(
            known.as_of, why, Outcome.PASSED, says, str(self._trained), 1, fit.rows, fit.cpu_seconds
        )
