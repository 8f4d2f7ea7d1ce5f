"""What the trigger decided: the verdict for the ledger, and what code needs of it as values."""

from __future__ import annotations

from dataclasses import dataclass

from tidewheel.policies.trigger.restraints import Role
from tidewheel.policies.verdict import Verdict


@dataclass(frozen=True)
class TriggerVerdict(Verdict):
    """The trigger's verdict.

    Attributes:
        role: on whose behalf a training is due now; None unless it fired.
        alarms: names of the reasons that are due and say that something is wrong, also where a restraint holds them.
    """

    role: Role | None = None
    alarms: tuple[str, ...] = ()
