"""The memory of the nights: the ledger, the lake and the model registry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from jobs.data.training_data import choose_training_data, data_hash, labelled_rows
from jobs.memory.circumstances import circumstances_of
from jobs.memory.on_probation import LedgerProbations
from jobs.memory.origins import origin_of, restored
from jobs.memory.protocol import Champion, Circumstances, Origin, Probation
from jobs.memory.registered import compare_registered
from jobs.models import registry, standing
from jobs.models.lineage import WarmStarted
from jobs.models.prediction import answers_of
from jobs.monitoring.attempts import attempts
from jobs.training.boosting import Checkpoints
from jobs.training.fitting import Fitted, TrainingRows, fit_rows, training_rows_of
from jobs.training.search import LakeTrials, SearchResult, search
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.trainings import Trainings
from tidewheel.partitions import day_of
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.trigger.restraints import Role

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from bentos.contract import Contract
    from jobs.data.training_data import LabelledDay, TrainingData
    from jobs.evaluation.judging import Judged
    from jobs.job import Job
    from jobs.models.prediction import Array, FittedModel
    from jobs.monitoring.figure_source import FigureSource
    from jobs.partial_failures import PartialFailures
    from jobs.training.going_on import Start
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.ledger.trainings import Judgement
    from tidewheel.policies.gate.measurement import GateMeasurement
    from tidewheel.policies.probation import PairedDay
    from tidewheel.policies.trigger.attempts import Attempt
    from tidewheel.policies.verdict import Verdict
    from tidewheel.spec import Pipeline


class LedgerMemory:
    """What ledger, lake and registry hold of a pipeline; see `jobs.memory.protocol.Memory`.

    Args:
        job: names pipeline, run, lake and settings.
    """

    def __init__(self, job: Job[Any]) -> None:
        self.job = job
        self._last_read: tuple[str, pd.DataFrame] | None = None
        self._judged_models: dict[str, FittedModel] = {}

    @property
    def pipeline(self) -> Pipeline:
        """Its declaration."""
        return self.job.pipeline

    @cached_property
    def ledger(self) -> Ledger:
        """Of the installation."""
        return Ledger.open(self.job.settings)

    # --- days and rows ---------------------------------------------------------------------------------------------

    def training_data(self, as_of: date, held: int | None) -> TrainingData:
        """The days that a training may use."""
        return choose_training_data(self.job.lake, self.pipeline, as_of, held)

    def training_rows(self, days: Sequence[LabelledDay]) -> TrainingRows:
        """The labelled rows of some days."""
        return training_rows_of(self.pipeline, self.rows(days))

    def rows(self, days: Sequence[LabelledDay]) -> pd.DataFrame:
        """The same as they are in the lake, with the entity's key; of a single day the last read is remembered."""
        if len(days) != 1:
            return labelled_rows(self.job.lake, self.pipeline, days)
        key = data_hash(days)
        if self._last_read is None or self._last_read[0] != key:
            self._last_read = key, labelled_rows(self.job.lake, self.pipeline, days)
        return self._last_read[1]

    # --- models ----------------------------------------------------------------------------------------------------

    def search(self, training_rows: TrainingRows, data_hash: str, failures: PartialFailures) -> SearchResult | None:
        """Search for parameters; the trials are stored in the lake."""
        return search(LakeTrials(self.job.lake, self.job.run_id), self.pipeline, training_rows, data_hash, failures)

    def fit(
        self, pipeline: Pipeline, days: Sequence[LabelledDay], training_rows: TrainingRows, start: Start | None = None
    ) -> Fitted:
        """Fit; where a killed attempt of the same run had come to, goes on, unless a warm start makes it short."""
        if start is not None:
            return fit_rows(pipeline, training_rows, start=start)
        follows_from = f"{data_hash(days)} {pipeline.training.model_dump_json()} {pipeline.features.model_dump_json()}"
        return fit_rows(pipeline, training_rows, Checkpoints(self.job.lake, self.job.run_id, follows_from))

    def champion(self) -> Champion | None:
        """By the ledger, whatever an alias in MLflow says."""
        row = standing.standing(self.job.settings, self.pipeline).champion
        return None if row is None else champion_of(row)

    def predictor(self, version: str) -> RegisteredModel:
        """A version of the registry."""
        settings, name = self.job.settings, self.pipeline.name
        contract = registry.contract(settings, name, version)
        return RegisteredModel(self, registry.load_model(settings, name, version), contract)

    def newest_version(self) -> str | None:
        """By the ledger."""
        last = Models(self.ledger).newest(self.pipeline.name)
        return None if last is None or last.run_id == self.job.run_id else last.version

    def origin(self, version: str) -> Origin:
        """From its lineage and its contract."""
        return origin_of(self.job.settings, self.pipeline, self._row(version))

    def start(self, version: str, rounds: int, number: int, *, judged: bool) -> Start:
        """Opened from the registry."""
        warm = WarmStarted(version=version, rounds=rounds, number=number, judged=judged)
        return restored(self.job.settings, self.pipeline, warm)

    # --- trainings so far ------------------------------------------------------------------------------------------

    def requested_by(self) -> Role | None:
        """On whose behalf monitoring requested the training of this run."""
        row = Trainings(self.ledger).of_run(self.pipeline.name, self.job.run_id)
        return Role(row.requested_by) if row and row.requested_by else None

    def attempts(self) -> Sequence[Attempt]:
        """The trainings of the ledger."""
        return attempts(self.ledger, self.pipeline.name, datetime.now(UTC))

    def judgements(self) -> Sequence[Judgement]:
        """From the rows of the trainings."""
        return Trainings(self.ledger).judgements(self.pipeline.name)

    # --- the gate --------------------------------------------------------------------------------------------------

    def compared(self, days: Sequence[LabelledDay], challenger: str, champion: str) -> Judged:
        """What both versions predict, with the landed columns that the gate looks at."""
        rows = [self._row(version) if version else None for version in (challenger, champion)]
        assert rows[0] is not None
        return compare_registered(self.job, days, rows[0], rows[1], lambda row: self.judged_model(row.version or ""))

    def gate_policy(self, measured: GateMeasurement) -> GatePolicy:
        """The declared gate."""
        return GatePolicy.of(self.pipeline)

    def keep_judgement(self, found: Judgement) -> None:
        """In the row of the training."""
        Trainings(self.ledger).judged(self.pipeline.name, self.job.run_id, found, datetime.now(UTC))

    def keep_paired_days(self, version: str, predecessor: str, days: Sequence[PairedDay]) -> None:
        """In the ledger."""
        self._probations.keep_days(version, predecessor, days)

    def judged_model(self, version: str) -> FittedModel:
        """The model of a version that the gate judges; opened once.

        Raises:
            Untrusted: it cannot be opened.
        """
        if version not in self._judged_models:
            self._judged_models[version] = registry.load_judged_model(self.job.settings, self._row(version))
        return self._judged_models[version]

    def _row(self, version: str) -> ModelVersionRow:
        return registry.trained_version(self.job.settings, self.pipeline.name, version)

    # --- monitoring ------------------------------------------------------------------------------------------------

    @property
    def figures(self) -> FigureSource:
        """The ledger's."""
        return self.ledger

    def label_rows(self, first: date | None, last: date) -> Mapping[date, int]:
        """By the manifests of the labels."""
        lake, since = self.job.lake, str(first) if first else ""
        keys = [key for key in lake.partitions("labels") if since <= key <= str(last)]
        return {day_of(key): lake.need("labels", key).rows for key in keys}

    def circumstances(self, day: date) -> Circumstances:
        """From ledger and lake."""
        return circumstances_of(self.job, self.ledger, day)

    # --- probation -------------------------------------------------------------------------------------------------

    @cached_property
    def _probations(self) -> LedgerProbations:
        return LedgerProbations(self.job, self.ledger)

    def probation(self) -> Probation | None:
        """The version that is on probation now."""
        return self._probations.running()

    def begin_probation(self, version: str, predecessor: str, as_of: date) -> None:
        """Put a version on probation."""
        self._probations.begin(version, predecessor, as_of)

    def open_predecessor(self, version: str) -> None:
        """Open the predecessor of a version on probation."""
        self._probations.open_predecessor(version)

    def compared_day(self, running: Probation, day: date, matured: date) -> PairedDay | None:
        """Both versions on the rows of a day that the one on probation predicted."""
        return self._probations.compared_day(running, day, matured)

    def usual_days(self, running: Probation) -> Sequence[PairedDay]:
        """Both versions on days before the promotion."""
        return self._probations.usual_days(running)

    def paired_days(self, version: str, predecessor: str) -> Sequence[PairedDay]:
        """How two versions compare."""
        return self._probations.days(version, predecessor)

    def record_probation(self, running: Probation, verdict: Verdict) -> None:
        """Write the night's verdict down."""
        self._probations.record(running, verdict)

    def give_back(self, predecessor: str, sentence: str) -> None:
        """Make the predecessor champion again."""
        self._probations.give_back(predecessor, sentence)

    def close_probation(self, running: Probation, verdict: Verdict, gain: float | None) -> None:
        """End a probation."""
        self._probations.close(running, verdict, gain)


@dataclass(frozen=True)
class RegisteredModel:
    """A version of the registry that predicts days of the lake.

    Attributes:
        memory: reads the days.
        model: the version's.
        contract: the columns that it takes.
    """

    memory: LedgerMemory
    model: Any
    contract: Contract

    def predictions(self, days: Sequence[LabelledDay]) -> Array:
        """Predictions for the labelled rows of some days."""
        return answers_of(self.model, self.contract, self.memory.rows(days), self.memory.pipeline)


def champion_of(row: ModelVersionRow) -> Champion:
    """A version of the ledger as the loop takes it."""
    return Champion(
        version=row.version or "",
        as_of=day_of(row.as_of),
        learned_since=day_of(row.learned_since) if row.learned_since else None,
        learned_until=day_of(row.train_end),
        judged_until=day_of(registry.judged_train_end(row)),
    )
