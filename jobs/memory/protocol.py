"""What the decision loop needs to know and to write down; `jobs.memory.ledger` and `jobs.replay.memory` provide it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from jobs.data.training_data import LabelledDay, TrainingData
    from jobs.evaluation.judging import Judged
    from jobs.models.prediction import Array
    from jobs.monitoring.figure_source import FigureSource
    from jobs.partial_failures import PartialFailures
    from jobs.training.fitting import Fitted, TrainingRows
    from jobs.training.going_on import Start
    from jobs.training.search import SearchResult
    from tidewheel.ledger.trainings import Judgement
    from tidewheel.policies.gate.measurement import GateMeasurement
    from tidewheel.policies.gate.policy import GatePolicy
    from tidewheel.policies.probation import PairedDay
    from tidewheel.policies.trigger.attempts import Attempt
    from tidewheel.policies.trigger.restraints import Role
    from tidewheel.policies.verdict import Verdict
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


@dataclass(frozen=True)
class Origin:
    """How a version was made, as far as a fit that goes on from it must know.

    Attributes:
        warm_starts: in a row that it is the last of; 0: it was fitted from nothing.
        differs: in what its rows or its declaration differ from today's, as the end of a sentence; empty: in nothing.
    """

    warm_starts: int
    differs: str = ""


@dataclass(frozen=True)
class Probation:
    """A version on probation.

    Attributes:
        version: that serves.
        predecessor: whose place it took, or that judges it instead.
        as_of: the day that its training looked back from; the days after it are judged.
    """

    version: str
    predecessor: str
    as_of: date


@dataclass(frozen=True)
class Circumstances:
    """What speaks for or against a training beside the model.

    Attributes:
        request: reason of a person's request for a training that is not answered yet.
        data_refused: why the newest data cannot be trained on; None where it can.
        monitored_since: the newest later day that was monitored before this one; None where this is the newest.
    """

    request: str | None = None
    data_refused: str | None = None
    monitored_since: date | None = None


class Predictor(Protocol):
    """A model that predicts labelled days."""

    def predictions(self, days: Sequence[LabelledDay]) -> Array:
        """Predictions for the labelled rows of some days, in the order of `Memory.training_rows`."""
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

    def training_rows(self, days: Sequence[LabelledDay]) -> TrainingRows:
        """The labelled rows of some days, in the order of the days.

        Raises:
            DataRefused: a label or a weight is none.
        """
        ...

    # --- models ----------------------------------------------------------------------------------------------------

    def search(self, training_rows: TrainingRows, data_hash: str, failures: PartialFailures) -> SearchResult | None:
        """Search for parameters, as `training.search` asks; None: the memory searches for none."""
        ...

    def fit(
        self, pipeline: Pipeline, days: Sequence[LabelledDay], training_rows: TrainingRows, start: Start | None = None
    ) -> Fitted:
        """Fit a model to the rows of some days.

        Args:
            pipeline: the declaration, with the parameters to use.
            days: names the rows.
            training_rows: their rows.
            start: the model to go on from; None: from nothing.

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

    def newest_version(self) -> str | None:
        """The version that was trained last, not counting the training that runs now; None where there is none."""
        ...

    def origin(self, version: str) -> Origin:
        """How a version was made.

        Raises:
            RegistryError: its files are gone, or are not those that were registered.
            ValueError: they cannot be read.
        """
        ...

    def start(self, version: str, rounds: int, number: int, *, judged: bool) -> Start:
        """A version as the start of a fit.

        Args:
            version: its number.
            rounds: to add.
            number: of warm starts in a row, the one that begins included.
            judged: whether to go on from the twin that the gate judged.

        Raises:
            RegistryError: as for `origin`.
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
            challenger: its number; what the gate judges of it predicts.
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

    # --- monitoring ------------------------------------------------------------------------------------------------

    @property
    def figures(self) -> FigureSource:
        """Figures of the days that monitoring has measured."""
        ...

    def label_rows(self, first: date | None, last: date) -> Mapping[date, int]:
        """How many labels are known of each day; `first` None: from the oldest on."""
        ...

    def circumstances(self, day: date) -> Circumstances:
        """What speaks for or against a training on a day beside the model."""
        ...

    # --- probation -------------------------------------------------------------------------------------------------

    def probation(self) -> Probation | None:
        """The version that is on probation now."""
        ...

    def begin_probation(self, version: str, predecessor: str, as_of: date) -> None:
        """Put a version on probation, in place of one that is on it; doing it again changes nothing."""
        ...

    def open_predecessor(self, version: str) -> None:
        """Open the predecessor of a version on probation.

        Raises:
            Untrusted: it cannot be opened.
            NotInRegistry: it is gone.
        """
        ...

    def compared_day(self, running: Probation, day: date, matured: date) -> PairedDay | None:
        """Both versions on the rows of a day that the one on probation predicted; None where there are none.

        Args:
            running: names the versions.
            day: since the promotion.
            matured: the last day whose labels are known.
        """
        ...

    def usual_days(self, running: Probation) -> Sequence[PairedDay]:
        """Both versions on days before the promotion."""
        ...

    def paired_days(self, version: str, predecessor: str) -> Sequence[PairedDay]:
        """How two versions compare, oldest day first."""
        ...

    def record_probation(self, running: Probation, verdict: Verdict) -> None:
        """Write the night's verdict down."""
        ...

    def give_back(self, predecessor: str, sentence: str) -> None:
        """Make the predecessor champion again; the sentence says why."""
        ...

    def close_probation(self, running: Probation, verdict: Verdict, gain: float | None) -> None:
        """End a probation.

        Args:
            running: the probation.
            verdict: what ended it.
            gain: how much better than its predecessor the version can be at best; None: unknown.
        """
        ...
