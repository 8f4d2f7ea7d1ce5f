"""The trigger: is it time to train again? Reasons say that a training is due, restraints that it must wait.

    policy = TriggerPolicy.of(pipeline)              # composed from the spec's section `triggers`
    verdict = policy.decide(TriggerMeasurement(...)) # pure: no clock, no I/O

`decide` is the one entry point, for the nightly monitoring and for a replay of history alike.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.policies.trigger.budget import TokenBucket
from tidewheel.policies.trigger.fall import Fall
from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.patience import Patience
from tidewheel.policies.trigger.quality import bias, excess_loss
from tidewheel.policies.trigger.reasons import (
    LOSS_NAMES,
    ByHand,
    Calendar,
    ConceptDrift,
    DataAmount,
    Drift,
    Every,
    FirstModel,
    Performance,
    Reason,
    Staleness,
)
from tidewheel.policies.trigger.restraints import (
    BackOff,
    CoolDown,
    NewestDay,
    NoRefusedData,
    Restraint,
    Role,
    SingleFlight,
)
from tidewheel.policies.trigger.verdict import TriggerVerdict
from tidewheel.policies.verdict import Kind, Outcome

if TYPE_CHECKING:
    from tidewheel.spec import Pipeline
    from tidewheel.spec.triggers import Budget, Triggers

ALARMING = (Fall, Performance, ConceptDrift, Drift)
"""Reasons that say something is wrong; the others say that time or data has come."""
UNREPORTED = ("name", "concerns", "patience")


@dataclass(frozen=True)
class TriggerPolicy:
    """Fires when any reason sees that a training is due and no restraint holds it.

    Attributes:
        reasons: looked at in this order; the order of the words in the sentence.
        restraints: the first that holds is named.
    """

    reasons: tuple[Reason, ...] = (ByHand(),)
    restraints: tuple[Restraint, ...] = ()

    @classmethod
    def of(cls, pipeline: Pipeline) -> TriggerPolicy:
        """The policy that a pipeline's file declares.

        Args:
            pipeline: its `triggers`, `task` and `training.minimum_rows` are read.

        Returns:
            Reasons and restraints; what the file sets to null is left out.
        """
        triggers = pipeline.triggers
        first = FirstModel(pipeline.training.minimum_rows)
        return cls((ByHand(), first, *_reasons(triggers, pipeline.task)), _restraints(triggers))

    def decide(self, measured: TriggerMeasurement) -> TriggerVerdict:
        """Decide whether a training should be requested.

        Args:
            measured: what is known on the day.

        Returns:
            fired, suppressed where a restraint holds it, or no action; with a sentence that says why, the reasons that
            are due, what was measured (inputs) and the policy (thresholds).
        """
        seen = [(reason, said) for reason in self.reasons if (said := reason.look(measured)) is not None]
        due = [(reason, said) for reason, said in seen if said.due]
        if not due:
            words = "; ".join(said.words for _, said in seen) or "no training was requested"
            return self._verdict(measured, Outcome.NO_ACTION, f"nothing calls for a training ({words})")
        why = "; ".join(said.words for _, said in due)
        reasons = [reason for reason, _ in due]
        held = {role: self._held(measured, role) for role in Role if any(_role(reason) is role for reason, _ in due)}
        if (role := next((role for role, by in held.items() if by is None), None)) is not None:
            return self._verdict(measured, Outcome.FIRED, why, reasons, role)
        restraint, clause = next(by for by in held.values() if by is not None)
        return self._verdict(measured, Outcome.SUPPRESSED, f"{why} but {clause}", reasons, held_by=restraint.name)

    def _held(self, measured: TriggerMeasurement, role: Role) -> tuple[Restraint, str] | None:
        """The first restraint that holds a training of this role, and what it says."""
        for restraint in self.restraints:
            if role in restraint.concerns and (clause := restraint.holds(measured)):
                return restraint, clause
        return None

    def _verdict(
        self,
        measured: TriggerMeasurement,
        outcome: Outcome,
        words: str,
        due: Sequence[Reason] = (),
        role: Role | None = None,
        held_by: str | None = None,
    ) -> TriggerVerdict:
        days = measured.champion_days(_longest_window(self.reasons))
        budget = next((part for part in self.restraints if isinstance(part, TokenBucket)), None)
        excess, off = excess_loss(days), bias(days)
        inputs: dict[str, object] = {
            "today": str(measured.today),
            "champion_version": measured.champion_version,
            "age_days": measured.age_days,
            "known_rows": measured.known_rows,
            "new_rows": measured.new_rows,
            "measured_days": excess.days,
            "excess_loss": excess.value,
            "excess_loss_t": excess.t,
            "bias": off.value,
            "bias_t": off.t,
            "drifted": list(measured.drift.columns) if measured.drift else None,
            "drifted_weight": measured.drift.weight if measured.drift else None,
            "concept_alarms": list(measured.concept_alarms),
            "attempts": [
                {"as_of": str(a.as_of), "ended": str(a.ended), "best_gain": a.best_gain} for a in measured.attempts[-5:]
            ],
            "request": measured.request,
            "data_refused": measured.data_refused,
            "monitored_since": str(measured.monitored_since) if measured.monitored_since else None,
            "due": [reason.name for reason in due],
            "role": role,
            "held_by": held_by,
            **(budget.left(measured) if budget else {"fits_saved": None}),
        }
        parts: tuple[Reason | Restraint, ...] = (*self.reasons, *self.restraints)
        thresholds = {part.name: _settings(part) for part in parts}
        return TriggerVerdict(
            Kind.TRIGGER,
            outcome,
            f"{outcome.words}: {words}",
            inputs,
            thresholds,
            role=role,
            alarms=tuple(reason.name for reason in due if isinstance(reason, ALARMING)),
        )


def _reasons(triggers: Triggers, task: str) -> Iterator[Reason]:
    patience = Patience(triggers.minimum_gain, triggers.patience_factor, triggers.maximum_age_days)
    if triggers.calendar is not None:
        yield Calendar(triggers.calendar)
    if triggers.every_days is not None:
        yield Every(triggers.every_days)
    if section := triggers.performance:
        yield Fall(LOSS_NAMES[task])
        yield Performance(
            section.window_days, section.minimum_days, section.minimum_excess, section.t, LOSS_NAMES[task]
        )
    if concept := triggers.concept_drift:
        yield ConceptDrift(concept.window_days, concept.minimum_days, concept.minimum_regret, concept.t, task)
    if triggers.drift is not None:
        yield Drift(triggers.drift.minimum_weight)
    if triggers.data is not None:
        yield DataAmount(triggers.data.growth, triggers.data.rows, patience)
    if triggers.maximum_age_days is not None:
        yield Staleness(triggers.maximum_age_days, patience)


def _restraints(triggers: Triggers) -> tuple[Restraint, ...]:
    budget = triggers.budget
    return (
        NewestDay(),
        NoRefusedData(),
        SingleFlight(triggers.patience_days),
        CoolDown(triggers.cool_down_days),
        BackOff(triggers.cool_down_days, triggers.patience_days, triggers.back_off_maximum_days),
        *(_budgets(budget) if budget else ()),
    )


def _budgets(budget: Budget) -> Iterator[TokenBucket]:
    """One bucket, of which the routine leaves a fit to alarms, and which a fall may overdraw."""
    for role, reserve in ((Role.FALL, 1 - budget.burst), (Role.ALARM, 0), (Role.ROUTINE, min(1, budget.burst - 1))):
        yield TokenBucket(
            budget.fits,
            budget.days,
            budget.burst,
            reserve,
            budget.cpu_seconds,
            name=f"budget of {role}",
            concerns=frozenset({role}),
        )


def _role(reason: Reason) -> Role:
    if isinstance(reason, ByHand):
        return Role.PERSON
    if isinstance(reason, Fall):
        return Role.FALL
    return Role.ALARM if isinstance(reason, ALARMING) else Role.ROUTINE


def _longest_window(reasons: tuple[Reason, ...]) -> int:
    return max((reason.window_days for reason in reasons if isinstance(reason, Performance | ConceptDrift)), default=14)


def _settings(part: Reason | Restraint) -> dict[str, object]:
    limits = {name: value for name, value in vars(part).items() if name not in UNREPORTED}
    patience = getattr(part, "patience", None)
    return limits | vars(patience) if patience else limits
