"""The sections of a pipeline file. What a person writes is checked here; nothing is imported or read."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

from tidewheel.spec.mistake import Mistake, refuse
from tidewheel.spec.one_day import path_mistake, query_mistake

NAME = r"^[a-z][a-z0-9_]{0,62}$"
CODE = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*$"
CRON = r"^(\S+\s+){4}\S+$"
NIGHTLY = r"^[0-5]?[0-9] ([01]?[0-9]|2[0-3]) \* \* \*$"
VARIABLE = r"^[A-Z_][A-Z0-9_]*$"
MEMORY = r"^[1-9]\d*(Mi|Gi)$"
EMAIL = r"^[^@\s]+@[^@\s]+$"
PATTERNS = {
    NAME: "lower-case letters, digits and _, beginning with a letter, at most 63",
    CODE: "`module:function`, for example jobs.pipelines.shop.reader:orders",
    CRON: "five cron fields (UTC), for example 0 3 * * *",
    NIGHTLY: "minute, hour and three stars, since every day is one partition; for example 0 3 * * *",
    VARIABLE: "the name of an environment variable, for example SHOP_DATABASE_URL",
    MEMORY: "memory in Mi or Gi, for example 2Gi",
    EMAIL: "an e-mail address",
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


Name = Annotated[str, StringConstraints(pattern=NAME)]
Column = Annotated[str, StringConstraints(min_length=1, max_length=128)]
CodeReference = Annotated[str, StringConstraints(pattern=CODE), Field(examples=["jobs.pipelines.shop.reader:orders"])]
Cron = Annotated[str, StringConstraints(pattern=CRON), AfterValidator(_runs_some_day), Field(examples=["0 3 * * *"])]
Nightly = Annotated[str, StringConstraints(pattern=NIGHTLY), Field(examples=["0 3 * * *"])]
Variable = Annotated[str, StringConstraints(pattern=VARIABLE)]


class Section(BaseModel):
    """A part of a pipeline file: unknown keys and numbers that are none are refused, values never change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class FileReader(Section):
    """Reads one file (or several) a day."""

    kind: Literal["parquet", "csv"] = Field(description="file format")
    path: str = Field(
        description="path or fsspec URL; `{partition}` becomes the day, `*` matches several files; "
        "relative paths start at the project folder",
        examples=["/data/orders/{partition}/*.parquet"],
    )

    @model_validator(mode="after")
    def _path_names_a_day(self) -> FileReader:
        if wrong := path_mistake(self.path):
            refuse([Mistake(("path",), f"found {self.path[:200]!r}", wrong)])
        return self


class SqlReader(Section):
    """Reads the rows of one day from a database."""

    kind: Literal["sql"] = Field(description="a SQL query by SQLAlchemy URL")
    url_variable: Variable = Field(
        description="environment variable that holds the database's SQLAlchemy URL, so that no password stands here",
    )
    query: str = Field(
        description="query with the parameter :partition (a date)", examples=["select * from t where day = :partition"]
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


Reader = Annotated[FileReader | SqlReader | PythonReader, Field(discriminator="kind")]


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

    @model_validator(mode="after")
    def _starts_before_it_ends(self) -> Source:
        if self.start and self.end and self.end < self.start:
            raise ValueError(f"the source ends on {self.end}, before it starts on {self.start}")
        return self


class Labels(Section):
    """Where the truth comes from, and when it is known."""

    reader: Reader = Field(description="how the labels of one day's rows are read; must hold the entity key")
    column: Column = Field(description="the label: 0/1 for classification, a number for regression")
    delay_days: int = Field(
        default=1, ge=1, le=365, description="a label of day D may be used from day D + delay_days on, never before"
    )


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


class Resources(Section):
    """What a job may use; in pods these are requests and limits."""

    cpu: float = Field(default=1, gt=0, le=256, description="CPU cores")
    memory: str = Field(default="2Gi", pattern=MEMORY, description="memory")
    gpu: int = Field(
        default=0, ge=0, le=16, description="GPUs (nvidia.com/gpu); more than 0 runs training in a GPU pod"
    )


class Serving(Section):
    """How the model answers online."""

    latency_budget_ms: float = Field(default=50, gt=0, description="a golden row must be answered within this")
    log_sample: float = Field(
        default=1.0, ge=0, le=1, description="share of requests whose prediction is logged to the lake"
    )
    maximum_rows: int = Field(default=10_000, ge=1, description="most rows in one request")
    unknown_categories: Literal["flag", "refuse"] = Field(
        default="flag", description="a category that training never saw is answered and flagged, or refused"
    )


class Scoring(Section):
    """How a day is scored offline."""

    enabled: bool = Field(default=True, description="score each published feature partition")


class Alerts(Section):
    """Who hears of a failure."""

    webhook_variable: Variable | None = Field(
        default=None, description="environment variable with the URL that gets a JSON POST when a task fails"
    )


class Owner(Section):
    """Who answers for the pipeline."""

    team: str = Field(min_length=1, max_length=100, description="shown as the owner in Airflow")
    email: str | None = Field(default=None, max_length=254, pattern=EMAIL, description="where to write")
