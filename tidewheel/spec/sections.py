"""The sections of a pipeline file. What a person writes is checked here; nothing is imported or read."""

from __future__ import annotations

from datetime import date
from itertools import combinations
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StrictInt,
    StringConstraints,
    model_validator,
)

from tidewheel.spec.mistake import Mistake, refuse
from tidewheel.spec.one_day import path_mistake, query_mistake

NAME = r"^[a-z][a-z0-9_]{0,62}$"
CODE = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
CRON = r"^(\S+\s+){4}\S+$"
NIGHTLY = r"^[0-5]?[0-9] ([01]?[0-9]|2[0-3]|\*) \* \* (\*|[0-6])$"
VARIABLE = r"^[A-Z_][A-Z0-9_]*$"
MEMORY = r"^[1-9]\d*(Mi|Gi)$"
EMAIL = r"^[^@\s]+@[^@\s]+$"
VARIABLE_KEY = r"^[A-Za-z0-9_.-]{1,250}$"
CLOCK = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
THRESHOLD = (
    r"^(?P<figure>[a-z][a-z0-9_]*)\s*(?P<comparison><=|>=|<|>)\s*(?P<limit>-?[0-9]+(\.[0-9]+)?(e-?[0-9]+)?)"
    r"(\s+for\s+(?P<days>[1-9][0-9]?)\s+(?P<unit>day|week)s?)?$"
)
CHARACTER = r"^[\x01-\x09\x0b\x0c\x0e-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e]$"
PATTERNS = {
    NAME: "lower-case letters, digits and _, beginning with a letter, at most 63",
    CODE: "`module:function`, for example jobs.pipelines.shop.reader:orders",
    CRON: "five cron fields (UTC), for example 0 3 * * *",
    NIGHTLY: "minute, hour and three stars, since every day is one partition, for example 0 3 * * *; of a weekly "
    "pipeline a weekday (0 is Sunday) in place of the last star, for example 0 3 * * 1; of an hourly one a star in "
    "place of the hour, for example 10 * * * *",
    VARIABLE: "the name of an environment variable, for example SHOP_DATABASE_URL",
    MEMORY: "memory in Mi or Gi, for example 2Gi",
    EMAIL: "an e-mail address",
    VARIABLE_KEY: "the key of an Airflow Variable: letters, digits, _, - and .",
    CLOCK: 'a time of day in quotes, for example "22:00"',
    THRESHOLD: "a figure, a comparison and a number, and for how many days (1 to 99), as `roc_auc < 0.6 for 3 days`",
    CHARACTER: 'one ASCII character that is no letter or digit, for example ";" or "\\t"',
}


def _runs_some_day(cron: str) -> str:
    from croniter import CroniterBadDateError, croniter  # what Airflow reads it with

    if not croniter.is_valid(cron):
        raise ValueError(f"expected {PATTERNS[CRON]}, each within its range")
    try:
        croniter(cron).get_next()
    except CroniterBadDateError:
        raise ValueError("expected a day that the calendar has") from None
    return cron


def _is_an_encoding(name: str) -> str:
    try:
        "".encode(name)
    except (LookupError, ValueError):  # no such codec, or one that is not of text; a name with a NUL
        raise ValueError("expected an encoding that Python knows, for example utf-8, cp1252, latin-1, utf-16") from None
    return name


def _has_no_blank_around(column: str) -> str:
    if column != column.strip():
        raise ValueError("expected a name that neither begins nor ends with a blank: no such column is landed")
    return column


Name = Annotated[str, StringConstraints(pattern=NAME)]
Column = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(_has_no_blank_around)]
ClassName = Annotated[
    str, StringConstraints(strict=True, min_length=1, max_length=100), AfterValidator(_has_no_blank_around)
]
CodeReference = Annotated[str, StringConstraints(pattern=CODE), Field(examples=["jobs.pipelines.shop.reader:orders"])]
Cron = Annotated[str, StringConstraints(pattern=CRON), AfterValidator(_runs_some_day), Field(examples=["0 3 * * *"])]
Nightly = Annotated[str, StringConstraints(pattern=NIGHTLY), Field(examples=["0 3 * * *"])]
Variable = Annotated[str, StringConstraints(pattern=VARIABLE)]
Character = Annotated[str, StringConstraints(pattern=CHARACTER)]


def _is_number(annotation: object) -> bool:
    """Whether a field takes numbers and no boolean: pydantic would read `true` as 1."""
    kinds = {annotation, *get_args(annotation)}
    return bool(kinds & {int, float}) and bool not in kinds


class Section(BaseModel):
    """A part of a pipeline file: unknown keys and numbers that are none are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _booleans_are_no_numbers(cls, given: Any) -> Any:
        fields = cls.model_fields if isinstance(given, dict) else {}
        wrong = [
            name for name, field in fields.items() if isinstance(given.get(name), bool) and _is_number(field.annotation)
        ]
        refuse([Mistake((name,), f"found {given[name]}", "expected a number") for name in wrong])
        return given


class FileReader(Section):
    """Reads one file (or several) a day."""

    kind: str
    path: str = Field(
        description="path or fsspec URL; `{partition}` becomes the day, or the hour, `*` matches several files; "
        "relative paths start at the project folder",
        examples=["/data/orders/{partition}/*.parquet"],
    )

    @model_validator(mode="after")
    def _path_names_a_day(self) -> FileReader:
        if wrong := path_mistake(self.path):
            refuse([Mistake(("path",), f"found {self.path[:200]!r}", wrong)])
        return self


class ParquetReader(FileReader):
    """Reads Parquet files."""

    kind: Literal["parquet"] = Field(description="Parquet files")


class CsvReader(FileReader):
    """Reads CSV files. Nothing about them is guessed: what differs from the defaults is said here."""

    kind: Literal["csv"] = Field(description="CSV files, also compressed (.gz, .bz2, .zst)")
    delimiter: Character = Field(default=",", description="the character between two fields", examples=[";", "\t", "|"])
    decimal: Literal[".", ","] | None = Field(
        default=None,
        description="the character before the decimals, a point by default. Text such as 2,50 in a whole column is "
        'refused until this is given: "," makes numbers of it, "." says that it is text',
    )
    thousands: Literal[".", ",", " ", "'", "\u2019", "_", "\u00a0", "\u202f"] | None = Field(
        default=None, description="the character between groups of three digits; none by default"
    )
    encoding: Annotated[str, AfterValidator(_is_an_encoding)] = Field(
        default="utf-8", description="how the files are encoded", examples=["cp1252", "utf-16"]
    )
    quote: Character | Literal[""] = Field(
        default='"', description="the character around a field that contains delimiters; empty: quotes mean nothing"
    )
    escape: Character | None = Field(
        default=None,
        description="the character that takes away the meaning of the one after it, often a backslash; none by "
        "default: a quote inside a quoted field is doubled",
    )
    null_values: list[str] | None = Field(
        default=None,
        description="fields that mean a missing value in every column, quoted or not. By default an empty field, and "
        "in columns of numbers, dates, times and booleans also NA, N/A, NaN, nan, null, NULL, None",
    )

    @model_validator(mode="after")
    def _characters_have_one_meaning(self) -> CsvReader:
        given = {"delimiter": self.delimiter, "quote": self.quote, "escape": self.escape}
        for (one, first), (other, second) in combinations(given.items(), 2):
            if first == second:
                raise ValueError(f"{one} {first!r} and {other} {second!r} are the same; expected different characters")
        decimal = self.decimal or "."
        if self.thousands == decimal:
            other_way = "," if decimal == "." else "."
            raise ValueError(
                f"thousands {self.thousands!r} and decimal {decimal!r} are the same; expected different characters, "
                f'for example decimal: "{other_way}"'
            )
        return self


class SqlReader(Section):
    """Reads the rows of one day from a database."""

    kind: Literal["sql"] = Field(description="a SQL query by SQLAlchemy URL")
    url_variable: Variable = Field(
        description="environment variable that holds the database's SQLAlchemy URL, so that no password stands here",
    )
    query: str = Field(
        description="query with the parameter :partition (a date; of an hourly pipeline the hour's first moment, a "
        "timestamp in UTC without zone)",
        examples=["select * from t where day = :partition"],
    )

    @model_validator(mode="after")
    def _query_is_bound_to_the_partition(self) -> SqlReader:
        if wrong := query_mistake(self.query):
            refuse([Mistake(("query",), "", wrong)])
        return self


class PythonReader(Section):
    """Calls a function of your own: `(day: datetime.date) -> pandas.DataFrame`."""

    kind: Literal["python"] = Field(description="a function of your own")
    function: CodeReference = Field(description="`module:function`; called with a date, returns that day's rows")


Reader = Annotated[ParquetReader | CsvReader | SqlReader | PythonReader, Field(discriminator="kind")]


ColumnType = Literal["text", "integer", "number", "decimal", "boolean", "date", "time", "timestamp"]
"""What a column may be declared as; `jobs.data.column_types` says what each is in the lake."""
TYPES = (
    "what columns hold, by name; others keep the type that they had on the days before, first that of the source. A "
    "day that holds anything else is refused when it is landed. text: as written, also digits; integer; number: 64-bit "
    "float; decimal: 20 digits before the point and 18 after it; boolean: true, false, 1, 0; date; time: of day; "
    "timestamp: UTC"
)


class Source(Section):
    """Where the rows to predict come from."""

    reader: Reader = Field(description="how one day is read")
    event_time: Column = Field(description="timestamp column (UTC) that puts a row into its day")
    entity_key: list[Column] = Field(min_length=1, description="columns that name a row uniquely")
    start: date | None = Field(default=None, description="first day the source has; earlier partitions are skipped")
    end: date | None = Field(
        default=None, description="last day the source will ever have; later partitions are skipped"
    )
    empty_days: Literal["refuse", "skip"] = Field(
        default="refuse",
        description="a day of which the source has no rows: refuse takes it for a mistake, skip for a day on which "
        "nothing happened, as Sundays in a shop that is closed. A file that is not there is late, not empty",
    )

    types: dict[Column, ColumnType] = Field(
        default_factory=dict, description=TYPES, examples=[{"postcode": "text", "amount": "number"}]
    )

    @model_validator(mode="after")
    def _an_event_time_is_a_timestamp(self) -> Source:
        if (declared := self.types.get(self.event_time, "timestamp")) != "timestamp":
            raise ValueError(
                f"types: {self.event_time} is the event time, found {declared}; expected timestamp, or no entry"
            )
        return self

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Source:
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"the source ends on {self.end}, before it starts on {self.start}")
        return self


class Labels(Section):
    """Where the truth comes from, and when it is known."""

    reader: Reader = Field(description="how the labels of one day's rows are read; must hold the entity key")
    column: Column = Field(
        description="the label: 0/1 for classification, one of `classes` for multiclass, a number for regression"
    )
    classes: list[ClassName] | list[StrictInt] = Field(
        default_factory=list,
        description="multiclass: the values that a label may have, all texts or all integers. A landed label that is "
        "none of them is refused",
        examples=[["low", "middle", "high"]],
    )
    delay_days: int = Field(
        default=1, ge=1, le=365, description="a label of day D may be used from day D + delay_days on, never before"
    )
    types: dict[Column, ColumnType] = Field(default_factory=dict, description=f"as source.types: {TYPES}")

    @model_validator(mode="after")
    def _a_label_has_the_type_of_its_task(self) -> Labels:
        allowed: tuple[str, ...] = ("integer", "number", "decimal", "boolean")
        if self.classes:
            allowed = ("text",) if isinstance(self.classes[0], str) else ("integer",)
        declared = self.types.get(self.column, allowed[0])
        if declared not in allowed:
            raise ValueError(f"types: {self.column} is the label, found {declared}; expected {', '.join(allowed)}")
        return self


class Features(Section):
    """What a model sees of a row."""

    transform: CodeReference = Field(
        description="`module:function`; called with a FeatureInputs, returns a Spark DataFrame"
    )
    look_back_days: int = Field(
        default=0, ge=0, le=730, description="days of rows and labels before the partition that the transform may see"
    )
    numeric: list[Column] = Field(default_factory=list, description="numeric feature columns")
    categorical: list[Column] = Field(default_factory=list, description="categorical feature columns (strings)")

    @property
    def columns(self) -> list[str]:
        """All feature columns, numeric first, in the order a model sees them."""
        return [*self.numeric, *self.categorical]

    @model_validator(mode="after")
    def _columns_are_named_once(self) -> Features:
        twice = sorted({c for c in self.columns if self.columns.count(c) > 1})
        if twice:
            raise ValueError(f"columns named twice: {', '.join(twice)}")
        if not self.columns:
            raise ValueError("no feature columns: name at least one under numeric or categorical")
        return self


class Owner(Section):
    """Who answers for the pipeline."""

    team: str = Field(min_length=1, max_length=100, description="shown as the owner in Airflow")
    email: str | None = Field(default=None, max_length=254, pattern=EMAIL, description="where to write")
