"""The state of a pipeline's releases. One object owns it: all that a release reads or writes of the ledger passes here.

The ledger's endpoint says what is live. The router's routes, the files or objects of a backend and the registry's alias
are copies, which `tidewheel.release.reconcile` checks against it.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidewheel.errors import LedgerError
from tidewheel.ledger.releases import Status, TakenOver
from tidewheel.release.plan import Live
from tidewheel.release.stages import AskedBack, Colour, Drain, Retire, Stage, stage_from_json, stage_to_json
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from tidewheel.ledger.releases import Releases
    from tidewheel.ledger.tables import EndpointRow, ReleaseRow
    from tidewheel.policies.verdict import Verdict
    from tidewheel.release.plan import EndpointState
    from tidewheel.release.stages import StageResult

log = logging.getLogger("tidewheel.release")

HOLD_SECONDS = 2.0


@dataclass(frozen=True)
class RecordedRelease:
    """A release as the ledger has it.

    Attributes:
        number: in the ledger.
        version: that shall answer.
        colour: it goes to.
        stages: what there is to do.
        before: what answered when it was planned.
        previous_version: what had answered before that.
        status: how far it is.
        sentence: the plan in a sentence, or why it ended otherwise.
    """

    number: int
    version: str
    colour: Colour
    stages: tuple[Stage, ...]
    before: Live | None
    previous_version: str | None
    status: Status
    sentence: str

    @classmethod
    def from_row(cls, row: ReleaseRow) -> RecordedRelease:
        """Read what `ReleaseRecord.begin` wrote, and what became of it."""
        before = row.plan["before"]
        return cls(
            number=row.id,
            version=row.version,
            colour=Colour(row.colour),
            stages=tuple(stage_from_json(stage) for stage in row.plan["stages"]),
            before=Live(Colour(before["colour"]), before["version"], before["healthy"]) if before else None,
            previous_version=row.plan["previous_version"],
            status=Status(row.status),
            sentence=row.reason or row.plan["sentence"],
        )

    @property
    def traffic_before(self) -> Traffic:
        """Where requests went when it was planned."""
        return Traffic(self.before.colour if self.before else None)

    def position(self, name: str) -> int | None:
        """Where a stage stands in the plan, None where it is not part of it."""
        return next((n for n, stage in enumerate(self.stages) if stage.name == name), None)


class ReleaseRecord:
    """What the ledger knows of a pipeline's releases, and the only way in which a release changes that.

    Args:
        releases: of all pipelines.
        pipeline: name of this one.
    """

    def __init__(self, releases: Releases, pipeline: str) -> None:
        self._releases, self.pipeline = releases, pipeline

    # --- one process at a time -------------------------------------------------------------------------------------

    def exclusively(self, patience_seconds: float) -> AbstractContextManager[None]:
        """Be the only process that works on the pipeline's release; see `Releases.exclusively`."""
        return self._releases.exclusively(self.pipeline, patience_seconds)

    def patient(self, seconds: float | None) -> AbstractContextManager[None]:
        """Wait so long for a ledger that is away; None: as long as before."""
        return nullcontext() if seconds is None else self._releases.ledger.patient(seconds)

    def is_held(self) -> bool:
        """Whether this process is known to work alone; False where the ledger is away, or does not answer at once.

        Raises:
            TakenOver: it does not.
        """
        answers: queue.SimpleQueue[LedgerError | None] = queue.SimpleQueue()

        def hold() -> None:
            try:
                self._releases.hold()
            except LedgerError as error:
                answers.put(error)
            else:
                answers.put(None)

        # A ledger that hangs would hold up the way back: it is read in a thread that nobody waits for.
        threading.Thread(target=hold, name="hold", daemon=True).start()
        try:
            error = answers.get(timeout=HOLD_SECONDS)
        except queue.Empty:
            return False
        if isinstance(error, TakenOver):
            raise error
        return error is None

    # --- reading ---------------------------------------------------------------------------------------------------

    def get(self, number: int) -> RecordedRelease:
        """A release by its number.

        Raises:
            LedgerError: there is none.
        """
        return RecordedRelease.from_row(self._releases.get(number))

    def running(self) -> RecordedRelease | None:
        """The release that has not ended."""
        row = self._releases.running(self.pipeline)
        return RecordedRelease.from_row(row) if row is not None else None

    def endpoint(self) -> EndpointRow | None:
        """What is live; None before the first release."""
        return self._releases.endpoint(self.pipeline)

    def done(self, release: RecordedRelease) -> set[int]:
        """Positions of the stages that are done."""
        return {row.position for row in self._releases.stages(release.number) if row.status == Status.DONE}

    def has_reached(self, release: RecordedRelease, kind: type[Stage]) -> bool:
        """Whether a stage of this kind has begun."""
        begun = {row.position for row in self._releases.stages(release.number)}
        return any(isinstance(stage, kind) and n in begun for n, stage in enumerate(release.stages))

    def present_stage(self, release: RecordedRelease) -> str:
        """Name of the stage that runs, empty where none does."""
        names = [row.name for row in self._releases.stages(release.number) if row.status == Status.RUNNING]
        return names[-1] if names else ""

    def detail(self, release: RecordedRelease, kind: type[Stage]) -> Mapping[str, Any]:
        """What a stage that is done has written down; empty where it is not done."""
        rows = self._releases.stages(release.number)
        return next((row.detail for row in rows if row.name == kind.kind and row.status == Status.DONE), {})

    def given_up(self) -> dict[str, str]:
        """Why the newest release of a version was taken back, by version."""
        newest = {row.version: row for row in reversed(self._releases.newest(self.pipeline))}
        return {version: row.reason for version, row in newest.items() if row.status == Status.FAILED}

    def versions_in_use(self) -> set[str]:
        """Versions that answer or are being released, and those that a rollback goes back to."""
        versions: set[str | None] = set()
        if endpoint := self.endpoint():
            versions |= {endpoint.version, endpoint.previous_version}
        if release := self.running():
            versions |= {release.version, release.previous_version}
            versions |= {release.before.version} if release.before else set()
        return {version for version in versions if version}

    # --- a release -------------------------------------------------------------------------------------------------

    def begin(
        self, version: str, state: EndpointState, stages: Sequence[Stage], sentence: str, run_id: str
    ) -> RecordedRelease:
        """Open a release; one without stages ends at once.

        Raises:
            LedgerError: one of this pipeline is running.
        """
        endpoint = self.endpoint()
        plan = {
            "stages": [stage_to_json(stage) for stage in stages],
            "before": asdict(state.live) if state.live else None,
            "previous_version": endpoint.previous_version if endpoint else None,
            "sentence": sentence,
        }
        # Without stages the version is live already.
        colour = state.live.colour if state.live and not stages else state.idle
        row = self._releases.begin(self.pipeline, version, colour, plan, run_id, _now())
        if not stages:
            self._releases.end(row.id, Status.DONE, sentence, _now())
        return self.get(row.id)

    def end(self, release: RecordedRelease, status: Status, reason: str) -> None:
        """Close a release."""
        self._releases.end(release.number, status, reason, _now())

    def request_rollback(self, release: RecordedRelease, reason: str) -> None:
        """Note that an operator asks for the old version; the process that works on the release will see it."""
        self._releases.ask_back(release.number, reason)

    def rollback_requested(self, release: RecordedRelease) -> str:
        """Why an operator asks for the old version, empty while nobody does.

        Raises:
            TakenOver: another process works on the release.
        """
        self._releases.hold()  # after an outage the right to work alone is taken again as soon as can be
        return self._releases.asked_back(release.number)

    # --- its stages ------------------------------------------------------------------------------------------------

    def stage_began(self, release: RecordedRelease, position: int) -> None:
        """Note that a stage runs.

        Raises:
            AskedBack: an operator has requested the old version while an earlier one ran, and it is still whole.
        """
        stage = release.stages[position]
        self._releases.stage_began(release.number, position, stage.name, _now())
        reason = self._releases.asked_back(release.number)
        if reason and not isinstance(stage, Drain | Retire):
            raise AskedBack(reason)

    def stage_done(self, release: RecordedRelease, position: int, result: StageResult) -> None:
        """Note what a stage did; with the last one the release ends."""
        stage = release.stages[position]
        if result.verdict is not None:
            self.judged(release, stage.name, result.verdict)
        detail = {"sentence": result.sentence, **result.figures}
        self._releases.stage_ended(release.number, position, Status.DONE, detail, _now())
        log.info("%s: %s", stage.name, result.sentence)
        if position == len(release.stages) - 1:
            self.end(release, Status.DONE, release.sentence)

    def stage_failed(
        self, release: RecordedRelease, position: int, error: Exception, figures: Mapping[str, Any]
    ) -> None:
        """Note why a stage failed."""
        detail = {"sentence": str(error), "error": type(error).__name__, **figures}
        self._releases.stage_ended(release.number, position, Status.FAILED, detail, _now())

    def judged(self, release: RecordedRelease, where: str, verdict: Verdict) -> None:
        """Note a verdict on the release's version."""
        subject, run = f"version {release.version} in {where}", f"release {release.number}"
        self._releases.ledger.record(self.pipeline, subject, run, verdict, _now())

    # --- what is live ----------------------------------------------------------------------------------------------

    def switch(self, release: RecordedRelease) -> None:
        """Have the release's version live."""
        replaced = release.before.version if release.before else None
        # A version that replaces itself, because it had fallen ill, keeps its way back.
        previous = release.previous_version if replaced == release.version else replaced
        self._point(release.colour, release.version, previous)

    def switch_back(self, release: RecordedRelease) -> None:
        """Have live what was so before the release, if it has switched."""
        endpoint, before = self.endpoint(), release.before
        if endpoint is None or (endpoint.colour, endpoint.version) != (release.colour, release.version):
            return
        if before:
            self._point(before.colour, before.version, release.previous_version)
        else:
            self._releases.forget_endpoint(self.pipeline)

    def correct(self, colour: Colour, version: str) -> None:
        """Have live what truly answers."""
        endpoint = self.endpoint()
        self._point(colour, version, endpoint.version if endpoint else None)

    def _point(self, colour: Colour, version: str, previous: str | None) -> None:
        self._releases.point(self.pipeline, colour, version, previous, _now())


def _now() -> datetime:
    return datetime.now(UTC)
