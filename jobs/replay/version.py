"""A version that was trained in a play: what a registry would hold of it."""

from __future__ import annotations

from dataclasses import dataclass

from jobs.memory.protocol import Champion
from jobs.models.prediction import FittedModel


@dataclass(frozen=True)
class Version:
    """A version that was trained in a play.

    Attributes:
        known: what the loop knows of it.
        serving: the model that serves.
        judged: the model that the gate compares: the same, or its twin from before a refit.
        warm_starts: in a row that it is the last of; 0: it was fitted from nothing.
        keys: names of the fits of both models, for a fit that goes on from one of them.
    """

    known: Champion
    serving: FittedModel
    judged: FittedModel
    warm_starts: int = 0
    keys: tuple[str, str] = ("", "")
