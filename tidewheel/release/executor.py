"""Runs a release stage by stage, writes each into the ledger, and takes it back when a stage fails.

Whoever comes next may go on with a release: the process that began it, the next task of a DAG, or a person after a
crash. So nothing is kept in memory between two stages, and one process at a time works on a pipeline.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tidewheel.errors import LedgerError, ReleaseError
from tidewheel.ledger.releases import Releases, Status
from tidewheel.release.actions import Actions, Found
from tidewheel.release.artifact import Artifact
from tidewheel.release.plan import Live, State, explain, plan
from tidewheel.release.probe import Probe
from tidewheel.release.stages import (
    STAGE_NAMES,
    Colour,
    Drain,
    Package,
    Retire,
    Stage,
    Switch,
    stage_from_json,
    stage_to_json,
)

if TYPE_CHECKING:
    from tidewheel.ledger.tables import ReleaseRow
    from tidewheel.release.backend import Backend
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.release")

PATIENCE_SECONDS = 300.0
"""How long to wait for another process that works on the same pipeline's release."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Release:
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


class Executor:
    """Releases one pipeline.

    Args:
        pipeline: its declaration.
        backend: where it is released to.
        releases: the ledger.
        build: makes the artifact of a version; called by the first stage.
    """

    def __init__(
        self, pipeline: Pipeline, backend: Backend, releases: Releases, build: Callable[[str], Artifact]
    ) -> None:
        self._pipeline = pipeline
        self._backend = backend
        self._releases = releases
        self._build = build

    def observe(self) -> State:
        """What answers now, by the router and the colour itself."""
        colour = self._backend.routed()
        version = self._backend.version(colour) if colour else None
        if colour is None or version is None:
            return State()
        with Probe(self._backend.address(colour)) as probe:
            return State(Live(colour, version, healthy=not probe.unready()))

    def plan(self, wanted: str) -> tuple[list[Stage], str]:
        """What a release would do now, and in a sentence; nothing is begun."""
        state = self.observe()
        stages = plan(state, wanted, self._pipeline)
        return stages, explain(state, wanted, stages)

    def begin(self, wanted: str, run_id: str) -> Release:
        """Plan a release and write it into the ledger, or join the one of the same version that is under way.

        A running release of another version has been overtaken: before its switch it is taken back, after it
        it is brought to its end first.

        Raises:
            ReleaseError: that other release cannot be ended.
        """
        with self._alone():
            running = self._releases.running(self._pipeline.name)
            if running is not None:
                release = _release(running)
                if release.version == wanted:
                    return release
                self._overtake(release, wanted)
            state = self.observe()
            stages = plan(state, wanted, self._pipeline)
            sentence = explain(state, wanted, stages)
            endpoint = self._releases.endpoint(self._pipeline.name)
            document = {
                "stages": [stage_to_json(stage) for stage in stages],
                "before": asdict(state.live) if state.live else None,
                "previous_version": endpoint.previous_version if endpoint else None,
                "sentence": sentence,
            }
            colour = state.idle if stages else _live_colour(state)
            row = self._releases.begin(self._pipeline.name, wanted, colour, document, run_id, _now())
            if not stages:
                self._releases.end(row.id, Status.DONE, sentence, _now())
            return _release(self._releases.get(row.id))

    def run(self, number: int) -> None:
        """Run what is left of a release.

        Raises:
            ReleaseError: a stage fails; the colour that was live before is live.
        """
        for stage in _release(self._releases.get(number)).stages:
            self.run_stage(number, stage.name)

    def run_stage(self, number: int, name: str) -> Found:
        """Run one stage of a release; one that is done, or is not part of the plan, is left alone.

        Raises:
            ReleaseError: it fails, the release has failed before, or an earlier stage is not done.
        """
        if name not in STAGE_NAMES:
            raise ReleaseError(f"no stage {name!r}; expected one of {', '.join(STAGE_NAMES)}")
        with self._alone():
            release = _release(self._releases.get(number))
            names = [stage.name for stage in release.stages]
            if name not in names:
                return Found(f"{name} is not part of this plan: {release.sentence}", {})
            position = names.index(name)
            done = self._done(number)
            if position in done:
                return Found(f"{name} was done before", {})
            match release.status:
                case Status.SUPERSEDED:
                    return Found(f"release {number} is overtaken: {release.sentence}", {})
                case Status.FAILED | Status.DONE:
                    raise ReleaseError(
                        f"release {number} is {release.status}: {release.sentence}; begin again with its plan"
                    )
            if missing := [earlier for n, earlier in enumerate(names[:position]) if n not in done]:
                raise ReleaseError(f"{name} of release {number} comes after {', '.join(missing)}, not yet done")
            return self._run(release, position)

    # --- inside the lock -------------------------------------------------------------------------------------------

    def _run(self, release: Release, position: int) -> Found:
        stage = release.stages[position]
        self._releases.stage_began(release.number, position, stage.name, _now())
        try:
            found = self._actions(release).perform(stage)
        except LedgerError:
            raise  # nothing is known to be wrong with the release: it waits for the ledger, and is resumed
        except Exception as error:
            self._failed(release, position, error)
            raise ReleaseError(f"{self._pipeline.name}: stage {stage.name} failed: {error}") from error
        self._releases.stage_ended(
            release.number, position, Status.DONE, {"sentence": found.sentence, **found.figures}, _now()
        )
        log.info("%s: %s", stage.name, found.sentence)
        if position == len(release.stages) - 1:
            self._releases.end(release.number, Status.DONE, release.sentence, _now())
        return found

    def _failed(self, release: Release, position: int, error: Exception) -> None:
        stage = release.stages[position]
        log.error("%s: %s", stage.name, error)
        detail = {"sentence": str(error), "error": type(error).__name__}
        self._releases.stage_ended(release.number, position, Status.FAILED, detail, _now())
        if isinstance(stage, Drain | Retire):
            return  # the new colour has proven itself and stays: this stage is only tried again
        sentence = self._take_back(release)
        self._releases.end(release.number, Status.FAILED, f"{stage.name}: {error} ({sentence})", _now())

    def _take_back(self, release: Release) -> str:
        """Make it as it was before the release; returns what was done, in a sentence."""
        before, name, actions = release.before, self._pipeline.name, self._actions(release)
        endpoint = self._releases.endpoint(name)
        switched = endpoint is not None and (endpoint.colour, endpoint.version) == (release.colour, release.version)
        if switched or self._backend.routed() is release.colour:
            self._backend.route_to(before.colour if before else None)
            if before:
                self._releases.point(name, before.colour, before.version, release.previous_version, _now())
            else:
                self._releases.forget_endpoint(name)
            actions.await_routed(before.colour if before else None)
            actions.drain(release.colour, self._pipeline.release.drain_seconds)
        self._backend.stop(release.colour)
        if before is None:
            return f"{release.colour} is stopped; nothing answers yet"
        return f"{release.colour} is stopped; version {before.version} answers as {before.colour}"

    def _overtake(self, release: Release, wanted: str) -> None:
        done = self._done(release.number)
        switched = any(isinstance(stage, Switch) and n in done for n, stage in enumerate(release.stages))
        if switched:
            log.info("release %s has switched already: it is brought to its end first", release.number)
            for position in range(len(release.stages)):
                if position not in done:
                    self._run(release, position)
            return
        sentence = self._take_back(release)
        reason = f"overtaken by version {wanted} ({sentence})"
        self._releases.end(release.number, Status.SUPERSEDED, reason, _now())

    def _actions(self, release: Release) -> Actions:
        def artifact() -> Artifact:
            stage = self._releases.stages(release.number)[0]
            return Artifact(**stage.detail["artifact"])

        def point(colour: Colour, version: str) -> None:
            replaced = release.before.version if release.before else None
            # A version that replaces itself, because it had fallen ill, keeps its way back.
            previous = release.previous_version if replaced == version else replaced
            self._releases.point(self._pipeline.name, colour, version, previous, _now())

        assert isinstance(release.stages[0], Package)  # every plan begins with it: later stages read what it made
        return Actions(self._backend, self._build, artifact, point)

    def _done(self, number: int) -> set[int]:
        return {stage.position for stage in self._releases.stages(number) if stage.status == Status.DONE}

    def _alone(self) -> Any:
        return self._releases.exclusively(self._pipeline.name, PATIENCE_SECONDS)


def _live_colour(state: State) -> Colour:
    assert state.live is not None  # a plan is empty only where the wanted version is live
    return state.live.colour


def _release(row: ReleaseRow) -> Release:
    before = row.plan["before"]
    return Release(
        number=row.id,
        version=row.version,
        colour=Colour(row.colour),
        stages=tuple(stage_from_json(stage) for stage in row.plan["stages"]),
        before=Live(Colour(before["colour"]), before["version"], before["healthy"]) if before else None,
        previous_version=row.plan["previous_version"],
        status=Status(row.status),
        sentence=row.reason or row.plan["sentence"],
    )
