"""A release as the ledger has it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from tidewheel.ledger.releases import Status
from tidewheel.release.plan import Live
from tidewheel.release.stages import Colour, Stage, stage_from_json, stage_to_json
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tidewheel.ledger.tables import ReleaseRow


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

    @classmethod
    def from_row(cls, row: ReleaseRow) -> Release:
        """Read what `plan_to_json` wrote, and what became of it."""
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


def plan_to_json(
    stages: Sequence[Stage], before: Live | None, previous_version: str | None, sentence: str
) -> dict[str, Any]:
    """A plan as the ledger keeps it."""
    return {
        "stages": [stage_to_json(stage) for stage in stages],
        "before": asdict(before) if before else None,
        "previous_version": previous_version,
        "sentence": sentence,
    }
