"""The retraining policies that can be played: the pipeline's own, and simple ones to hold it against.

spec        what the pipeline declares: its triggers, its gate
FILE.yaml   the same of another pipeline file, such as a draft with other triggers
frozen      the first model stays
every:7d    trained on everything known, every seven days, and promoted unseen (`weekly`, `daily`: the same of 7, 1);
            every:4w is every four weeks. A weekly pipeline is trained after whole weeks
equal       the same, as often as `spec` fitted a model, evenly spread
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from tidewheel.errors import UsageError, did_you_mean
from tidewheel.partitions import PartitionRange
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.spec import Pipeline, load_pipeline

SPEC, FROZEN, EQUAL = "spec", "frozen", "equal"
SYNONYMS = {"weekly": "every:7d", "daily": "every:1d"}
_EVERY = re.compile(r"every:([1-9]\d{0,3})([dw])")
_DAYS = {"d": 1, "w": 7}
EXPECTED = "spec, frozen, equal, weekly, daily, every:<n>d, every:<n>w or the path of a pipeline file"


@dataclass(frozen=True)
class Declared:
    """What a pipeline file says: triggers decide, a gate judges.

    Attributes:
        name: as the person wrote it.
        pipeline: the declaration.
    """

    name: str
    pipeline: Pipeline


@dataclass(frozen=True)
class Fixed:
    """Trains on certain days and promotes whatever comes of it: what a bare cron job does.

    Attributes:
        name: as the person wrote it.
        pipeline: how a model is made.
        days: trained as of these; the first model comes before them.
    """

    name: str
    pipeline: Pipeline
    days: frozenset[date] = field(default_factory=frozenset)

    def decide(self, day: date) -> Verdict:
        """Fire on the days of the plan."""
        if day in self.days:
            return Verdict(Kind.TRIGGER, Outcome.FIRED, f"fired: {self.name} trains as of {day}")
        return Verdict(Kind.TRIGGER, Outcome.NO_ACTION, f"no action: {self.name} does not train as of {day}")


Policy = Declared | Fixed


@dataclass(frozen=True)
class Asked:
    """A policy as somebody named it; some can be made only when the pipeline's own has been played.

    Attributes:
        name: as it is shown.
        make: called with the fits of `spec` under the same seed.
        waits: whether `make` needs them.
    """

    name: str
    make: Callable[[int], Policy]
    waits: bool = False


def parse_policy(text: str, pipeline: Pipeline, played: PartitionRange) -> Asked:
    """Understand a policy's name.

    Args:
        text: as on the command line.
        pipeline: whose history is played.
        played: first and last day.

    Raises:
        UsageError: there is no such policy, or a file declares another model.
    """
    name = SYNONYMS.get(text, text)
    if name == SPEC:
        return Asked(SPEC, lambda _: Declared(SPEC, pipeline))
    if name == FROZEN:
        return Asked(FROZEN, lambda _: Fixed(FROZEN, pipeline))
    if name == EQUAL:
        return Asked(EQUAL, lambda fits: Fixed(EQUAL, pipeline, spread(played, fits)), waits=True)
    if found := _EVERY.fullmatch(name):
        turn = _turn(name, int(found[1]) * _DAYS[found[2]], played)
        days = frozenset(played.days[turn - 1 : -1 : turn])
        return Asked(name, lambda _: Fixed(name, pipeline, days))
    if text.endswith((".yaml", ".yml")):
        return _of_file(text, pipeline)
    raise UsageError(
        f"policy {text!r} is none: expected {EXPECTED}{did_you_mean(text, [SPEC, FROZEN, EQUAL, *SYNONYMS])}"
    )


def _turn(name: str, days: int, played: PartitionRange) -> int:
    """Partitions from one training to the next.

    Raises:
        UsageError: the days are no whole partitions.
    """
    if days % played.unit.days:
        raise UsageError(
            f"policy {name}: a partition of this pipeline is a {played.unit}; expected every:<n>w or weekly"
        )
    return days // played.unit.days


def spread(played: PartitionRange, fits: int) -> frozenset[date]:
    """Days as of which to train, so that so many models, the first one among them, share the played days evenly."""
    days = len(played.days)
    turns = [round(turn * days / fits) for turn in range(1, fits)]
    return frozenset(played.unit.after(played.first, turn - 1) for turn in turns)


def _of_file(text: str, pipeline: Pipeline) -> Asked:
    other = load_pipeline(Path(text))
    differ = [
        name for name in ("name", "task", "source", "labels", "features") if _part(other, name) != _part(pipeline, name)
    ]
    if differ:
        raise UsageError(
            f"policy {text}: its {' and '.join(differ)} differ from those of {pipeline.name}, whose history is played; "
            "only training, triggers, gate and monitoring may"
        )
    name = Path(text).parent.name or text
    return Asked(name, lambda _: Declared(name, other))


def _part(pipeline: Pipeline, name: str) -> object:
    return getattr(pipeline, name)
