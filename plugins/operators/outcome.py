"""How a job ended: its record, verified, and what Airflow must do about an exit code."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from tidewheel.errors import ExitCode, LakeError
from tidewheel.runs import SKIPPED

if TYPE_CHECKING:
    from plugins.operators.command import JobCommand
    from tidewheel.runs import JobRecord

MOST_FIGURES = 20
"""XCom is for a few figures; the record has all of them."""


@dataclass(frozen=True)
class JobOutcome:
    """How a job ended.

    Attributes:
        job: name of the job's record.
        exit_code: see `tidewheel.errors.ExitCode`; negative where a signal ended the job.
        path: where the record is, relative to the lake's root.
        record: what the job left; None where it ended before it left anything.
    """

    job: str
    exit_code: int
    path: str
    record: JobRecord | None


def read_outcome(command: JobCommand, run_id: str, exit_code: int) -> JobOutcome:
    """Read what an ended job left in the lake. A job that failed left nothing: what lies there is of an earlier try."""
    from tidewheel.lake import Lake
    from tidewheel.runs import read_record, record_path

    lake, record = Lake.open(command.pipeline), None
    if exit_code in (ExitCode.DONE, ExitCode.DATA_REFUSED):
        with suppress(LakeError):  # judged below, by whether there is one
            record = read_record(lake, run_id, command.record_name)
    return JobOutcome(command.record_name, exit_code, record_path(lake, run_id, command.record_name), record)


def judge(outcome: JobOutcome, last_words: str) -> dict[str, Any]:
    """Decide what an ended job means for its task, and return what goes to XCom.

    Args:
        outcome: how the job ended.
        last_words: the last error the job printed.

    Raises:
        AirflowFailException: trying again will not help: wrong usage, or refused data.
        AirflowSkipException: the job found nothing to do, so nothing downstream has.
        AirflowException: the job failed; Airflow may try again.
    """
    job, record, code = outcome.job, outcome.record, outcome.exit_code
    if code == ExitCode.DONE:
        return _verified(outcome)
    if code == ExitCode.DATA_REFUSED:
        raise AirflowFailException((record and record.refused) or last_words or f"{job} refused its data")
    if code == ExitCode.WRONG_USAGE:
        raise AirflowFailException(f"{job} was called wrongly: {last_words}")
    if code < 0:
        raise AirflowException(f"{job} was ended by signal {-code}; last words: {last_words or 'none'}")
    raise AirflowException(f"{job} failed (exit code {code}): {last_words or 'it printed nothing'}")


def _verified(outcome: JobOutcome) -> dict[str, Any]:
    from tidewheel.lake import Lake
    from tidewheel.runs import verify_outputs

    record = outcome.record
    if record is None:
        raise AirflowException(f"{outcome.job} ended well but left no record at {outcome.path}")
    verify_outputs(Lake.open(record.pipeline), record)
    if record.figures.get(SKIPPED):
        raise AirflowSkipException(record.sentence or f"{outcome.job} had nothing to do for {record.partition}")
    return {
        "record": outcome.path,
        "partition": record.partition,
        "sentence": record.sentence,
        "figures": dict(islice(record.figures.items(), MOST_FIGURES)),
    }
