"""The watcher of the registry: a champion that does not answer yet starts its release, no matter who moved the alias.

So does one whose requests the router sends elsewhere than the ledger says: every release begins with a reconcile; and
a version that answers while the registry names no champion: that release says what was deleted and puts the alias back.
All pipelines share one look at registry, ledger and router (a shared stream of the triggerer): a hundred pipelines
cost two requests every few seconds. An event is a hint. It may be lost, since the DAG is paused, and then it is given
again; it may be given twice, and then the release finds nothing to do.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

if TYPE_CHECKING:
    from plugins.registry import Unreleased
    from tidewheel.ledger import Ledger
    from tidewheel.settings import Settings

log = logging.getLogger("tidewheel.watcher")

LOOK_SECONDS = 5.0
"""An alias that moved is seen within this time; the release has begun well within 30 seconds."""
FIRST_REMINDER_SECONDS = 600.0
LAST_REMINDER_SECONDS = 24 * 3600.0

Look = Mapping[str, "Unreleased"]


class ChampionTrigger(BaseEventTrigger):
    """Fires when the champion of a pipeline does not answer as it should, and nobody works on it.

    Args:
        pipeline: name of the pipeline.
        look_seconds: time between two looks; triggers with the same time share them.
    """

    def __init__(self, pipeline: str, look_seconds: float = LOOK_SECONDS) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.pipeline = pipeline
        self.look_seconds = look_seconds

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How the triggerer makes this object again."""
        return f"{__name__}.{type(self).__name__}", {"pipeline": self.pipeline, "look_seconds": self.look_seconds}

    def shared_stream_key(self) -> Hashable:
        """One look serves all pipelines."""
        return (__name__, self.look_seconds)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Look]:
        """Look at registry, ledger and router for ever; a look that fails is logged once, and tried again."""
        watch = RegistryWatch()
        failing = ""
        try:
            while True:
                try:
                    # In a thread: neither the ledger nor the pages of a large registry may hold up other triggers.
                    found = await asyncio.to_thread(watch.look)
                except Exception as error:
                    if (words := f"{type(error).__name__}: {error}") != failing:
                        log.warning("the champions cannot be watched at present: %s", words)
                    failing = words
                else:
                    failing = ""
                    yield found
                await asyncio.sleep(kwargs["look_seconds"])
        finally:
            watch.close()

    async def filter_shared_stream(self, shared_stream: AsyncIterator[Look]) -> AsyncIterator[TriggerEvent]:
        """An event for each new disagreement of this pipeline, and reminders of one that lasts."""
        attention = Attention()
        async for look in shared_stream:
            state = look.get(self.pipeline)
            if attention.caught_by(state, time.monotonic()):
                assert state is not None
                yield TriggerEvent(asdict(state))  # type: ignore[no-untyped-call]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """The same for a triggerer that does not share streams."""
        _, kwargs = self.serialize()
        async for event in self.filter_shared_stream(self.open_shared_stream(kwargs)):
            yield event


class RegistryWatch:
    """Looks at registry, ledger and router, over an open connection; settings that are not there yet may come later."""

    def __init__(self) -> None:
        self._ledger: Ledger | None = None
        self._astray: Mapping[str, str] = {}
        self._silence = ""

    def look(self) -> Look:
        """Every champion that does not answer, and what answers without being one.

        Raises:
            TidewheelError: the ledger cannot be reached, or a setting is missing.
            HTTPError: the registry does not answer.
        """
        from plugins.registry import unreleased
        from tidewheel.ledger import Ledger
        from tidewheel.settings import load_settings

        settings = load_settings()
        self._ledger = self._ledger or Ledger.open(settings, patience_seconds=0)
        astray = self._still_astray(settings, self._ledger)
        return unreleased(settings, self._ledger, datetime.now(UTC), astray)

    def close(self) -> None:
        """Close the connection."""
        if self._ledger is not None:
            self._ledger.engine.dispose()

    def _still_astray(self, settings: Settings, ledger: Ledger) -> Mapping[str, str]:
        """What the router does against the ledger, and did in the look before; nothing while it does not answer."""
        from plugins.registry import routed_astray
        from tidewheel.errors import PlatformError, SettingsError

        before, self._astray = self._astray, {}
        try:
            self._astray = routed_astray(settings, ledger)
        except (PlatformError, SettingsError) as error:
            # Aliases are watched all the same: what they name can be released once the router is back.
            if str(error) != self._silence:
                log.warning("the router cannot be watched at present: %s", error)
            self._silence = str(error)
        else:
            self._silence = ""
        return {name: says for name, says in self._astray.items() if before.get(name) == says}


@dataclass
class Attention:
    """Remembers which disagreement was reported: each is reported once, and again only after a growing while."""

    reported: Unreleased | None = None
    reported_at: float = 0.0
    patience: float = FIRST_REMINDER_SECONDS

    def caught_by(self, state: Unreleased | None, now: float) -> bool:
        """Whether to tell of what was found.

        Args:
            state: the disagreement, None where there is none.
            now: a clock's seconds.
        """
        if state is None or state != self.reported:
            self.reported, self.reported_at, self.patience = state, now, FIRST_REMINDER_SECONDS
            return state is not None
        if now - self.reported_at < self.patience:
            return False
        self.reported_at, self.patience = now, min(2 * self.patience, LAST_REMINDER_SECONDS)
        return True
