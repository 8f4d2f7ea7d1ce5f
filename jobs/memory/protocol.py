"""What the decision loop needs to know and to write down; `jobs.memory.ledger` and `jobs.replay.memory` provide it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from jobs.data.training_data import LabelledDay, TrainingData
    from jobs.evaluation.judging import Judged
    from jobs.models.prediction import Array
    from jobs.partial_failures import PartialFailures
    from jobs.training.fitting import Fitted, Lesson
    from jobs.training.search import SearchResult
    from tidewheel.ledger.trainings import Judgement
    from tidewheel.policies.gate.measurement import GateMeasurement
    from tidewheel.policies.gate.policy import GatePolicy
    from tidewheel.policies.probation import PairedDay
    from tidewheel.policies.trigger.attempts import Attempt
    from tidewheel.policies.trigger.quality import DayQuality
    from tidewheel.policies.trigger.restraints import Role
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class Champion:
    """The version that serves.

    Attributes:
        version: its number.
        as_of: the day that its training looked back from.
        learned_since: first day that it learned from, where it was not given all of them; else None.
        learned_until: newest day that it learned from.
        judged_until: newest day that the model learned from which the gate compares: itself, or its twin from before
            a refit.
    """

    version: str
    as_of: date
    learned_since: date | None
    learned_until: date
    judged_until: date


class Predictor(Protocol):
    """A model that predicts labelled days."""

    def predictions(self, days: Sequence[LabelledDay]) -> Array:
        """Predictions for the labelled rows of some days, in the order of `Memory.lesson`."""
        ...


class Memory(Protocol):
    """What is known of one pipeline at the moment of a decision; nothing in it is later than that."""

    @property
    def pipeline(self) -> Pipeline:
        """Its declaration."""
        ...

    # --- days and rows ---------------------------------------------------------------------------------------------

    def training_data(self, as_of: date, held: int | None) -> TrainingData:
        """The days that a training may use, see `jobs.data.training_data.choose_training_data`.

        Raises:
            DataRefused: too few days or rows.
        """
        ...

    def lesson(self, days: Sequence[LabelledDay]) -> Lesson:
        """The labelled rows of some days, in the order of the days.

        Raises:
            DataRefused: a label or a weight is none.
        """
        ...

    # --- models ----------------------------------------------------------------------------------------------------

    def search(self, lesson: Lesson, data_hash: str, failures: PartialFailures) -> SearchResult | None:
        """Search for parameters, as `training.search` asks; None: the memory searches for none."""
        ...

    def fit(self, pipeline: Pipeline, days: Sequence[LabelledDay], lesson: Lesson) -> Fitted:
        """Fit a model to the rows of some days.

        Raises:
            ModelRefused: it cannot be fitted.
        """
        ...

    def champion(self) -> Champion | None:
        """The version that serves; None where there is none yet."""
        ...

    def predictor(self, version: str) -> Predictor:
        """A registered version, ready to predict.

        Raises:
            Untrusted: it cannot be opened.
            NotInRegistry: it is gone.
        """
        ...

    # --- trainings so far ------------------------------------------------------------------------------------------

    def requested_by(self) -> Role | None:
        """On whose behalf the trigger requested the training that runs now; None where it did not."""
        ...

    def attempts(self) -> Sequence[Attempt]:
        """The trainings so far, oldest first."""
        ...

    def judgements(self) -> Sequence[Judgement]:
        """What the gate found of the versions so far, oldest first."""
        ...

    # --- the gate --------------------------------------------------------------------------------------------------

    def compared(self, days: Sequence[LabelledDay], challenger: str, champion: str) -> Judged:
        """What challenger and champion predict for the labelled rows of some days.

        Args:
            days: may be none.
            challenger: its number; what the gate judges of it is asked.
            champion: likewise; empty: there is none.

        Raises:
            ModelRefused: the challenger cannot predict.
        """
        ...

    def gate_policy(self, measured: GateMeasurement) -> GatePolicy:
        """The declared gate, without what this memory cannot measure."""
        ...

    def keep_judgement(self, found: Judgement) -> None:
        """Write down what the gate found."""
        ...

    def keep_paired_days(self, version: str, predecessor: str, days: Sequence[PairedDay]) -> None:
        """Write down how two versions compare on some days, in place of what was measured of these days before."""
        ...

    # --- quality ---------------------------------------------------------------------------------------------------

    def qualities(self, day: date) -> Sequence[DayQuality]:
        """How the days turned out whose labels had matured by a day, as far back as any decision looks."""
        ...
