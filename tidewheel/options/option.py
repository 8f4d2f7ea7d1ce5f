"""What an option is: a field of a pydantic model, whose annotation says what it means."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Annotated, Any, ClassVar, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic.fields import FieldInfo

from tidewheel.errors import UsageError
from tidewheel.partitions import PartitionRange


@dataclass(frozen=True)
class Option:
    """What a person reads about an option, in `Annotated[TYPE, Option(...)]`.

    Attributes:
        help: what it does, beginning with a small letter and without a full stop.
        unit: what a number counts.
        if_empty: in words, what holds where it is left out.
        title: its name in Airflow's form; without one it is not in a form.
        metavar: what stands for the value in a command's help.
    """

    help: str
    unit: str = ""
    if_empty: str = ""
    title: str = ""
    metavar: str = ""

    @property
    def line(self) -> str:
        """The line of a command's help."""
        unit = f", in {self.unit}" if self.unit else ""
        return f"{self.help}{unit}" + (f"; default: {self.if_empty}" if self.if_empty else "")

    @property
    def sentences(self) -> str:
        """The text below a field of a form."""
        unit = f", in {self.unit}" if self.unit else ""
        text = f"{self.help[0].upper()}{self.help[1:]}{unit}."
        return text + (f" Empty: {self.if_empty}." if self.if_empty else "")


@dataclass(frozen=True)
class Expected:
    """What a type's values look like, in words, where its constraints do not say so."""

    words: str


@dataclass(frozen=True)
class DeclaredOption:
    """An option as its model declares it.

    Attributes:
        name: of the field.
        option: what a person reads about it.
        kind: type of the value, or of each value of a list.
        is_list: whether it may be given several times.
        constraints: of the value, as pydantic knows them.
        required: whether it must be given.
        default: value where it is left out.
    """

    name: str
    option: Option
    kind: type
    is_list: bool
    constraints: tuple[Any, ...]
    required: bool
    default: Any

    @property
    def flag(self) -> str:
        """The option on a command line."""
        return f"--{self.name.replace('_', '-')}"


class Options(BaseModel):
    """A set of options. A field is text, a number, a choice, a switch that is off, or a tuple of texts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @classmethod
    def declared(cls) -> dict[str, DeclaredOption]:
        """The options by name, in the order of their declaration."""
        return {name: _declared(name, field) for name, field in cls.model_fields.items()}


class JobOptions(Options):
    """The options that only one job has.

    Attributes:
        job: name of the job, as in `python -m jobs.<name>`.
        record_for_each: name of the option for each value of which a run has a record of its own.
        by_hour: whether it does an hourly pipeline's work by hour; else it works by day.
        of_data: whether its `--partition` names partitions of data; else it is the day of the run.
    """

    job: ClassVar[str]
    record_for_each: ClassVar[str] = ""
    of_data: ClassVar[bool] = True
    by_hour: ClassVar[bool] = False

    @classmethod
    def record_name(cls, values: Mapping[str, object]) -> str:
        """Name of the record that the job leaves.

        Args:
            values: of its options, as far as they are not left out.
        """
        if not cls.record_for_each:
            return cls.job
        return f"{cls.job}-{values.get(cls.record_for_each, cls.declared()[cls.record_for_each].default)}"

    @property
    def record(self) -> str:
        """Name of the record that the job leaves with these options."""
        return self.record_name(dict(self))


def _range(value: object) -> object:
    try:
        return PartitionRange.parse(value) if isinstance(value, str) else value
    except UsageError as error:
        raise ValueError(str(error)) from None


Partition = Annotated[
    PartitionRange,
    BeforeValidator(_range),
    Expected("a day YYYY-MM-DD, an hour YYYY-MM-DDTHH, or a range of them FIRST..LAST"),
]


class RunOptions(Options):
    """The options that every job has: what a run is about."""

    pipeline: Annotated[str, Option("name of the pipeline, as in dags/<name>.yaml")]
    partition: Annotated[Partition, Option("a day YYYY-MM-DD, or a range FIRST..LAST")]
    run_id: Annotated[str, Option("name of the run; its record goes to runs/<run-id>/ in the lake")]
    actor: Annotated[str | None, Option("who has started it", if_empty="the user of this process, at this machine")] = (
        None
    )


def _declared(name: str, field: FieldInfo) -> DeclaredOption:
    kind, is_list, constraints = _unwrapped(field.annotation)
    constraints = (*constraints, *field.metadata)
    option = next(each for each in constraints if isinstance(each, Option))
    default = None if field.is_required() else field.default
    return DeclaredOption(name, option, kind, is_list, constraints, field.is_required(), default)


def _unwrapped(annotation: Any) -> tuple[Any, bool, tuple[Any, ...]]:
    """The type of a value without `None`, list and constraints; whether it was a list; its constraints."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        kind, is_list, constraints = _unwrapped(inner[0])
        said = [each.metadata if isinstance(each, FieldInfo) else [each] for each in inner[1:]]
        return kind, is_list, (*constraints, *chain.from_iterable(said))
    if origin in (Union, types.UnionType):
        [one] = [each for each in inner if each is not types.NoneType]
        return _unwrapped(one)
    if origin is tuple:
        kind, _, constraints = _unwrapped(inner[0])
        return kind, True, constraints
    return annotation, False, ()
