"""What became of a day that was played, and the lines that a person reads at its end."""

from __future__ import annotations

from dataclasses import dataclass, field

from tidewheel.errors import ExitCode


@dataclass
class CheckedDay:
    """What became of a day.

    Attributes:
        wrong: what the declaration or its code does wrong.
        refused: what the data breaks.
        doubtful: what may not be meant.
        absent: why the source has nothing to play.
    """

    wrong: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    absent: str = ""

    @property
    def exit_code(self) -> ExitCode:
        """As a job that met the same would end."""
        if self.wrong:
            return ExitCode.WRONG_USAGE
        if self.refused:
            return ExitCode.DATA_REFUSED
        return ExitCode.FAILED if self.absent else ExitCode.DONE

    def lines(self, what: str) -> list[str]:
        """The end of the report: what may not be meant, what is late, and what is wrong.

        Args:
            what: pipeline and day.
        """
        lines = [f"       warning: {line}" for line in self.doubtful]
        if self.absent:
            lines.append(f"late   {what}: {self.absent}")
        if found := [*self.wrong, *self.refused]:
            lines.append(f"wrong  {what}:")
            lines += [f"       {line}" for line in found]
        elif not self.absent:
            lines.append(f"ok     {what}: played from the source to a prediction; the lake is as it was")
        return lines
