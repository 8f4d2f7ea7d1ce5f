"""What a test asks of the small installation."""

from __future__ import annotations

from infra.embedded.platform import Platform
from infra.embedded.startup import Quiet


class Notes(Quiet):
    """A report that keeps what was worth a line."""

    def __init__(self) -> None:
        self.sentences: list[str] = []

    def note(self, sentence: str) -> None:
        self.sentences.append(sentence)


def states(platform: Platform) -> dict[str, str]:
    """State of each service, by name."""
    return {service.name: service.state for service in platform.status()}


def pids(platform: Platform) -> dict[str, int]:
    """Process of each program, by name."""
    return {status.name: status.pid for status in platform.supervisor.statuses()}
