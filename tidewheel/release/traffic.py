"""Where the requests of a pipeline go."""

from __future__ import annotations

from dataclasses import dataclass

from tidewheel.release.stages import Colour


@dataclass(frozen=True)
class Traffic:
    """What the router does with the requests of a pipeline.

    Attributes:
        live: the colour that answers, None where none does.
        share: percent of the requests that the other colour answers instead (canary).
        mirrored: every request also goes to the other colour, whose answer nobody gets (shadow).
    """

    live: Colour | None = None
    share: int = 0
    mirrored: bool = False

    @property
    def reached(self) -> frozenset[Colour]:
        """The colours that any request goes to: none of them may be stopped."""
        if self.live is None:
            return frozenset()
        return frozenset(Colour) if self.share or self.mirrored else frozenset({self.live})

    def __str__(self) -> str:
        if self.live is None:
            return "no colour"
        if self.share:
            return f"{100 - self.share}% to {self.live}, {self.share}% to {self.live.other}"
        return f"{self.live}, mirrored to {self.live.other}" if self.mirrored else str(self.live)


@dataclass(frozen=True)
class Gone:
    """What callers are answered in place of a pipeline that was given up.

    Attributes:
        since: the day, YYYY-MM-DD.
        renamed_to: the pipeline that answers in its place; empty where none does.
    """

    since: str
    renamed_to: str = ""

    def sentence(self, pipeline: str) -> str:
        """What happened, for whoever asks."""
        if self.renamed_to:
            return f"pipeline {pipeline} was renamed on {self.since}: ask /{self.renamed_to}/predict"
        return f"pipeline {pipeline} was retired on {self.since}: nothing answers here any more"
