"""How a fit begins: from nothing, or from a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jobs.training.going_on import Start


@dataclass(frozen=True)
class Beginning:
    """How a fit begins.

    Attributes:
        start: the model to go on from; None: from nothing.
        sentence: which it is, or why none; empty where the pipeline declares no warm start.
    """

    start: Start | None = None
    sentence: str = ""


FROM_NOTHING = Beginning()
