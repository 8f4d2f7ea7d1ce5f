"""The days before one that is played: as they are published, and read from the source where they are not."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from jobs.checking.scratch import borrow
from tidewheel.errors import LakeError
from tidewheel.partitions import PartitionRange
from tidewheel.quantities import quantity
from tidewheel.spec.source_days import source_days

if TYPE_CHECKING:
    from tidewheel.lake import Lake
    from tidewheel.spec import Pipeline

TELL_EVERY_SECONDS = 5.0


@dataclass(frozen=True)
class LookBack:
    """What became of the days of a look-back.

    Attributes:
        published: days taken from the lake.
        read: days read from the source.
        missing: the others, each with the reason.
        unreadable: days that are published and whose files are not what they should be, each with the reason.
    """

    published: int
    read: int
    missing: Sequence[str]
    unreadable: Sequence[str]

    @property
    def sentence(self) -> str:
        """The same in a line."""
        days = self.published + self.read + len(self.missing)
        last = f" ({self.missing[-1]:.300})" if self.missing else ""
        return (
            f"look-back: {quantity(days, 'day')}, {self.published} as published, {self.read} read from the source, "
            f"{len(self.missing)} missing{last}"
        )


def look_back(
    pipeline: Pipeline, real: Lake, scratch: Lake, day: date, read: Callable[[date], str], tell: Callable[[str], None]
) -> LookBack | None:
    """Publish the days before one in a scratch lake.

    Args:
        pipeline: says how far back features look.
        real: the lake of the project.
        scratch: the one to publish in.
        day: the day that is played.
        read: reads a day from the source into the scratch lake; answers why it could not, or nothing.
        tell: gets a line where it takes long.

    Returns:
        What became of them; None where features look back on no day that the source has.
    """
    reach, before = pipeline.features.look_back_days, pipeline.partition.before(day)
    if not reach:
        return None
    days = source_days(pipeline.source, PartitionRange(before, before, pipeline.partition).look_back(reach - 1))
    if days is None:
        return None
    reported_at = time.monotonic()
    published, missing, unreadable = 0, [], []
    for number, earlier in enumerate(days.days, start=1):
        borrowed, wrong = _borrowed(real, scratch, str(earlier))
        published += borrowed
        unreadable += [f"{earlier} of the look-back cannot be read from the lake: {wrong}"] if wrong else []
        if not borrowed and (reason := read(earlier)):
            missing.append(f"{earlier}: {reason}")
        if time.monotonic() - reported_at > TELL_EVERY_SECONDS:
            tell(f"look-back: {number} of {len(days.days)} days")
            reported_at = time.monotonic()
    return LookBack(published, len(days.days) - published - len(missing), missing, unreadable)


def _borrowed(real: Lake, scratch: Lake, day: str) -> tuple[bool, str]:
    """Whether a day was published and is now in the scratch lake; and what is wrong with it."""
    rows, labels = real.published("landing", day), real.published("labels", day)
    if rows is None:
        return False, ""
    try:
        for manifest in (rows, labels):
            if manifest is not None:
                borrow(real, scratch, manifest)
    except (LakeError, OSError) as error:
        return False, str(error)
    return True, ""
