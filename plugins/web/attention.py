"""What of a pipeline needs somebody's attention, the most urgent first, each in a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum
from typing import TYPE_CHECKING
from urllib.parse import quote

from plugins.web import probations
from tidewheel.ledger.releases import Status
from tidewheel.partitions import DAY, day_or_none
from tidewheel.policies import verdict
from tidewheel.policies.lateness import expected_labels, late_data
from tidewheel.policies.verdict import Kind, Outcome
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    from tidewheel.ledger.probation_tables import ProbationRow
    from tidewheel.ledger.probations import RunningProbation
    from tidewheel.ledger.tables import ReleaseRow, RetrainRequestRow, VerdictRow
    from tidewheel.spec import Pipeline

QUALITY_REASONS = frozenset({"performance", "concept drift"})
"""Reasons of the trigger that say that predictions have become worse."""
REQUEST_REASONS = {
    "skew": "skew",
    "live drift": "live drift",
    "contract": "requests refused",
    "unusual": "requests unlike training",
}
"""What a verdict on a day's requests names, as a title."""
LONGEST_SENTENCE = 280


class Urgency(IntEnum):
    """How much something needs a person; the lowest number first."""

    ACT = 0
    WATCH = 1
    BUSY = 2
    FINE = 3

    @property
    def words(self) -> str:
        """As the page names it."""
        return {0: "waiting for a person", 1: "to watch", 2: "at work", 3: "fine"}[self.value]


@dataclass(frozen=True)
class Concern:
    """One reason to look at a pipeline.

    Attributes:
        urgency: how much it needs a person.
        title: what it is, in two or three words.
        sentence: what happened, for a person.
        link: path within Airflow, or anchor of the pipeline's page, where more is to be seen; may be empty.
    """

    urgency: Urgency
    title: str
    sentence: str
    link: str = ""


@dataclass(frozen=True)
class FailedRun:
    """A run of Airflow that failed, and that no later run of its DAG has made good.

    Attributes:
        purpose: of the DAG: features, scoring, monitoring, training or release.
        run_id: of the run.
        day: its partition; empty where it has none.
        at: when it was due.
    """

    purpose: str
    run_id: str
    day: str
    at: datetime


@dataclass(frozen=True)
class PipelineSnapshot:
    """What is known of a pipeline at a moment; see `concerns`.

    Attributes:
        name: of the pipeline.
        now: the moment, in UTC.
        declared: its file; None where that cannot be read.
        error: why it cannot be read.
        gone: what was deleted in MLflow; empty where nothing was.
        failed: failed runs, newest first.
        waiting: the gate's verdict on a version that waits for a person.
        release: the newest release.
        rolled_back: whether it failed after callers had been answered by it.
        request: the request for a training that nobody has answered.
        verdicts: the newest of each kind.
        probation: of the version that serves; None where it is not on probation.
        champion: version of the champion; empty where there is none.
        data_partition: the newest partition with published features, of an hourly pipeline an hour; empty where that is
            unknown, or there is none.
        monitored_day: the newest day that was monitored.
        label_day: the newest day whose labels are measured.
        ledger_answers: whether the ledger has answered; else nothing of it is known.
    """

    name: str
    now: datetime
    declared: Pipeline | None = None
    error: str = ""
    gone: str = ""
    failed: Sequence[FailedRun] = ()
    waiting: VerdictRow | None = None
    release: ReleaseRow | None = None
    rolled_back: bool = False
    request: RetrainRequestRow | None = None
    verdicts: Mapping[str, VerdictRow] | None = None
    probation: RunningProbation | None = None
    champion: str = ""
    data_partition: str = ""
    monitored_day: str = ""
    label_day: str = ""
    ledger_answers: bool = True


def concerns(known: PipelineSnapshot) -> list[Concern]:
    """Everything that is to be said of a pipeline, the most urgent first; never empty.

    Args:
        known: what is known of it.
    """
    if known.declared is None:
        return [Concern(Urgency.ACT, "file unreadable", short(known.error or "Its file cannot be read."))]
    found = [
        *_failed_nights(known),
        *_releases(known),
        *_deleted(known),
        *_approvals(known),
        *_freshness(known, known.declared),
        *_quality(known),
        *_probation(known),
        *_training(known),
    ]
    return sorted(found, key=lambda concern: concern.urgency) or [_fine(known)]


def as_utc(at: datetime) -> datetime:
    """A time with its zone; SQLite forgets it."""
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def short(sentence: str) -> str:
    """A sentence as a line of a table repeats it."""
    line = " ".join(sentence.split())
    return line if len(line) <= LONGEST_SENTENCE else f"{line[: LONGEST_SENTENCE - 1]}…"


def clause(row: VerdictRow | ProbationRow) -> str:
    """A decision's sentence without its outcome, which the page names itself."""
    return short(verdict.clause(row.sentence, row.outcome))


def failed_release(row: ReleaseRow, rolled_back: bool) -> str:
    """What became of a release that failed.

    Args:
        row: the release.
        rolled_back: whether callers had been answered by its version.
    """
    became = f"Version {row.version} was rolled back" if rolled_back else f"The release of version {row.version} failed"
    return short(f"{became}: {row.reason}")


def run_path(pipeline: str, purpose: str, run_id: str) -> str:
    """Path within Airflow of a run."""
    return f"/dags/{pipeline}.{purpose}/runs/{quote(run_id)}"


def _failed_nights(known: PipelineSnapshot) -> list[Concern]:
    return [
        Concern(
            Urgency.ACT,
            f"{run.purpose} failed",
            f"The {run.purpose} run {f'of {run.day} ' if run.day else ''}failed on {run.at:%Y-%m-%d %H:%M} UTC.",
            run_path(known.name, run.purpose, run.run_id),
        )
        for run in known.failed
    ]


def _releases(known: PipelineSnapshot) -> list[Concern]:
    row = known.release
    if row is None:
        return []
    if row.status == Status.FAILED:
        title = "release rolled back" if known.rolled_back else "release failed"
        return [Concern(Urgency.ACT, title, failed_release(row, known.rolled_back), f"/dags/{known.name}.release")]
    if row.status == Status.RUNNING:
        since = f"{as_utc(row.started_at):%Y-%m-%d %H:%M} UTC"
        words = f"Version {row.version} has been on its way to the endpoint since {since}."
        return [Concern(Urgency.BUSY, "release running", words, f"/dags/{known.name}.release")]
    return []


def _deleted(known: PipelineSnapshot) -> list[Concern]:
    return [Concern(Urgency.ACT, "deleted in MLflow", short(known.gone))] if known.gone else []


def approval_path(pipeline: str, passed: VerdictRow) -> str:
    """Airflow's page on which a reviewer answers about a version that the gate has passed."""
    return f"{run_path(pipeline, 'training', passed.run_id)}/required_actions"


def _approvals(known: PipelineSnapshot) -> list[Concern]:
    row, declared = known.waiting, known.declared
    if row is None or declared is None or declared.gate.approval != "manual":
        return []
    words = f"{row.subject.capitalize()} passed the gate and has waited for an approval since "
    link = approval_path(known.name, row)
    return [Concern(Urgency.ACT, "approval waiting", f"{words}{as_utc(row.decided_at):%Y-%m-%d %H:%M} UTC.", link)]


def _freshness(known: PipelineSnapshot, declared: Pipeline) -> list[Concern]:
    newest = []
    if data := late_data(declared, known.data_partition, known.now):
        later = quantity(data.behind, declared.partition)
        words = f"The newest data is of {data.newest}; expected {data.expected}, {later} later."
        newest.append(Concern(Urgency.WATCH, "data late", words, f"/dags/{known.name}.features"))
    if (monitored := day_or_none(known.monitored_day)) is None:
        return newest
    due = expected_labels(declared, monitored)
    labelled = day_or_none(known.label_day)
    if labelled is not None and (late := declared.block.between(labelled, due)) > 0:
        words = f"The newest labels are of {known.label_day}; expected {due}, {quantity(late, declared.block)} later."
        newest.append(Concern(Urgency.WATCH, "labels late", words, f"/dags/{known.name}.monitoring"))
    return newest


def _quality(known: PipelineSnapshot) -> list[Concern]:
    verdicts, figures = known.verdicts or {}, []
    trigger, drift = verdicts.get(str(Kind.TRIGGER)), verdicts.get(str(Kind.DRIFT))
    if trigger is not None and QUALITY_REASONS & set(trigger.inputs.get("due") or ()):
        words = f"On {trigger.subject}: {clause(trigger)}"
        figures.append(Concern(Urgency.WATCH, "quality falling", words, "#quality"))
    if drift is not None and drift.outcome == Outcome.FIRED:
        figures.append(Concern(Urgency.WATCH, "drift", f"On {drift.subject}: {clause(drift)}", "#drift"))
    requests = verdicts.get(str(Kind.REQUESTS))
    if requests is not None and requests.outcome == Outcome.FIRED:
        words = ", ".join(REQUEST_REASONS[reason] for reason in requests.inputs.get("due") or ())
        figures.append(Concern(Urgency.WATCH, words, f"On {requests.subject}: {clause(requests)}", "#callers"))
    return figures


def _probation(known: PipelineSnapshot) -> list[Concern]:
    if (running := known.probation) is None:
        return []
    unit = known.declared.block if known.declared else DAY
    return [Concern(Urgency.BUSY, probations.title(running, unit), probations.sentence(running, unit), "#probation")]


def _training(known: PipelineSnapshot) -> list[Concern]:
    row, link = known.request, f"/dags/{known.name}.training"
    if row is None:
        words = "No version is champion yet: the first training that passes the gate makes one."
        missing = known.ledger_answers and not known.champion
        return [Concern(Urgency.BUSY, "no model yet", words, link)] if missing else []
    words = short(f"A training was requested on {as_utc(row.asked_at):%Y-%m-%d}: {row.reason}")
    return [Concern(Urgency.BUSY, "training requested", words, link)]


def _fine(known: PipelineSnapshot) -> Concern:
    if not known.ledger_answers:
        return Concern(Urgency.WATCH, "unknown", "The ledger does not answer, and it alone knows how this model does.")
    trigger = (known.verdicts or {}).get(str(Kind.TRIGGER))
    said = f" On {trigger.subject}: {clause(trigger)}." if trigger is not None else ""
    return Concern(Urgency.FINE, "fine", f"Version {known.champion} is champion.{said}")
