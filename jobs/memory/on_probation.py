"""What the ledger holds of versions on probation, and how such a version is compared with its predecessor."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from jobs.data.training_data import labelled_days, labelled_rows, matured_until
from jobs.evaluation.judging import Judged
from jobs.evaluation.usual_days import newest_days, pairs
from jobs.memory.protocol import Probation
from jobs.models import registry
from jobs.models.files import Untrusted
from jobs.models.paired_losses import PairedAnswers, paired_day
from jobs.models.prediction import answers_of
from jobs.models.row_weights import weights_of
from jobs.monitoring.labelled_day import labelled_day
from jobs.monitoring.labelled_predictions import MAIN, ONLINE, SOURCE
from jobs.monitoring.predictions import predictions_of
from tidewheel.ledger.models import Models
from tidewheel.ledger.probation_tables import ProbationRow
from tidewheel.ledger.probations import Probations
from tidewheel.partitions import day_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentos.contract import Contract
    from jobs.job import Job
    from jobs.models.prediction import FittedModel
    from tidewheel.ledger import Ledger
    from tidewheel.policies.probation import PairedDay
    from tidewheel.policies.verdict import Verdict

VERSION = "model_version"


class LedgerProbations:
    """The probations of a pipeline, for `jobs.memory.ledger.LedgerMemory`.

    Args:
        job: names pipeline, run, lake and settings.
        ledger: holds them.
    """

    def __init__(self, job: Job, ledger: Ledger) -> None:
        self._job = job
        self._ledger = ledger
        self._probations = Probations(ledger)
        self._predecessor: tuple[FittedModel, Contract] | None = None

    def running(self) -> Probation | None:
        """The version that is on probation now."""
        row = self._probations.open(self._job.pipeline.name)
        return None if row is None else Probation(row.version, row.predecessor, day_of(row.as_of))

    def begin(self, version: str, predecessor: str, as_of: date) -> None:
        """Put a version on probation."""
        row = ProbationRow(
            pipeline=self._job.pipeline.name,
            version=version,
            predecessor=predecessor,
            as_of=str(as_of),
            run_id=self._job.run_id,
            opened_at=datetime.now(UTC),
        )
        self._probations.begin(row)

    def open_predecessor(self, version: str) -> None:
        """Open the version whose place was taken.

        Raises:
            Untrusted: it cannot be opened.
            NotInRegistry: it is gone.
        """
        settings, name = self._job.settings, self._job.pipeline.name
        if gone := registry.lost(settings, registry.trained_version(settings, name, version)):
            raise Untrusted(f"it {gone}")
        contract = registry.contract(settings, name, version)
        self._predecessor = registry.load_model(settings, name, version), contract

    def compared_day(self, running: Probation, day: date, matured: date) -> PairedDay | None:
        """Both versions on the rows that the version on probation predicted, in the batch and online."""
        model, contract = self._opened
        job, pipeline, weight = self._job, self._job.pipeline, self._job.pipeline.training.sample_weight
        columns = dict.fromkeys([*(column.name for column in contract.columns), *([weight] if weight else [])])
        labelled = labelled_day(job, str(day), str(matured), list(columns))
        if labelled.missing:
            return None
        rows = labelled.rows[labelled.rows[SOURCE].isin((MAIN, ONLINE)) & (labelled.rows[VERSION] == running.version)]
        rows = rows[rows[pipeline.labels.column].notna()]
        if pipeline.scoring.enabled:  # what was answered beside the batch is about the same rows
            rows = rows.drop_duplicates(pipeline.key)
        if rows.empty:
            return None
        theirs = answers_of(model, contract, rows, pipeline)
        truth = rows[pipeline.labels.column].to_numpy(dtype="float64")
        ours, weights = predictions_of(rows, pipeline), weights_of(rows, pipeline)
        return paired_day(day, pipeline.metric, PairedAnswers(truth, ours, theirs, weights), pipeline.loss)

    def usual_days(self, running: Probation) -> list[PairedDay]:
        """Both versions on days before the promotion, where `evaluate` has compared the version with another one."""
        job, pipeline = self._job, self._job.pipeline
        known, _ = labelled_days(job.lake, pipeline, matured_until(pipeline, running.as_of))
        rows = labelled_rows(job.lake, pipeline, newest_days(known))
        ours = registry.load_model(job.settings, pipeline.name, running.version)
        contract = registry.contract(job.settings, pipeline.name, running.version)
        said = answers_of(ours, contract, rows, pipeline)
        theirs = answers_of(*self._opened, rows, pipeline)
        truth = rows[pipeline.labels.column].to_numpy(dtype="float64")
        weights = weights_of(rows, pipeline)
        return pairs(pipeline, Judged(rows, truth, said, theirs, running.predecessor, weights=weights))

    def days(self, version: str, predecessor: str) -> list[PairedDay]:
        """How two versions compare, oldest day first."""
        return self._probations.days(self._job.pipeline.name, version, predecessor)

    def keep_days(self, version: str, predecessor: str, days: Sequence[PairedDay]) -> None:
        """Keep how two versions compare."""
        self._probations.keep_days(self._job.pipeline.name, version, predecessor, days, datetime.now(UTC))

    def record(self, running: Probation, verdict: Verdict) -> None:
        """Write the night's verdict down."""
        subject = f"version {running.version} on probation"
        self._ledger.record(self._job.pipeline.name, subject, self._job.run_id, verdict, datetime.now(UTC))

    def give_back(self, predecessor: str, sentence: str) -> None:
        """Move the alias champion to the predecessor, which is what a release follows."""
        job, name = self._job, self._job.pipeline.name
        registry.set_alias(job.settings, name, registry.CHAMPION, predecessor)
        Models(self._ledger).promote(name, predecessor, sentence, job.actor, job.run_id, datetime.now(UTC))

    def close(self, running: Probation, verdict: Verdict, gain: float | None) -> None:
        """End the probation, unless another version is on probation by now."""
        row = self._probations.open(self._job.pipeline.name)
        if row is not None and (row.version, row.predecessor) == (running.version, running.predecessor):
            self._probations.close(row.id, verdict.outcome, verdict.sentence, gain, datetime.now(UTC))

    @property
    def _opened(self) -> tuple[FittedModel, Contract]:
        if self._predecessor is None:
            raise ValueError("the predecessor is compared with before it was opened")
        return self._predecessor
