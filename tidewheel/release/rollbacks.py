"""Which failed releases were rolled back: the new version had answered callers, and now the old one does again."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from sqlalchemy import select

from tidewheel.ledger.releases import Status
from tidewheel.ledger.tables import ReleaseRow, ReleaseStageRow
from tidewheel.release.stages import Canary, Switch

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ANSWERING = (Canary.kind, Switch.kind)
"""Stages from whose begin on callers may be answered by the new version."""


def rolled_back(session: Session, releases: Collection[int]) -> set[int]:
    """Of releases, those that failed after callers had been answered by them; another version answers again.

    Args:
        session: of the ledger.
        releases: their numbers.
    """
    query = (
        select(ReleaseRow.id)
        .join(ReleaseStageRow, ReleaseStageRow.release_id == ReleaseRow.id)
        .where(
            ReleaseRow.id.in_(releases),
            ReleaseRow.status == str(Status.FAILED),
            ReleaseStageRow.name.in_(ANSWERING),
            ReleaseRow.plan["before"]["version"].as_string().is_not(None),
        )
    )
    return set(session.scalars(query))
