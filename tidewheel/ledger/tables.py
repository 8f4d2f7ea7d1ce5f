"""The ledger's tables. A change here comes with a migration in `migrations/versions`."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_Id = BigInteger().with_variant(Integer, "sqlite")
_Time = DateTime(timezone=True)
ACTOR = 200
"""Characters of who did something; see `tidewheel.actor`."""


class Table(DeclarativeBase):
    """What all tables have in common."""

    type_annotation_map = {dict[str, Any]: JSON, datetime: _Time}  # noqa: RUF012  SQLAlchemy wants a plain dict


class VerdictRow(Table):
    """One decision of a policy; the same run deciding again about the same subject is the same row."""

    __tablename__ = "verdict"
    __table_args__ = (UniqueConstraint("pipeline", "kind", "subject", "run_id", name="one_verdict_a_run"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(200))
    run_id: Mapped[str] = mapped_column(String(250))
    outcome: Mapped[str] = mapped_column(String(20))
    sentence: Mapped[str] = mapped_column(Text)
    inputs: Mapped[dict[str, Any]]
    thresholds: Mapped[dict[str, Any]]
    actor: Mapped[str] = mapped_column(String(ACTOR), default="", server_default="")
    decided_at: Mapped[datetime]


class ModelVersionRow(Table):
    """A model that `train` made: where it came from, and the digest of every file of it that is opened later.

    `version` is null from when its files are uploaded until MLflow has given it a number. `learned_since` is the first
    day that it has learned from, where older ones were of no use. `files` has the sha256 of each file by its name, see
    `jobs.models.files`; `bento` what `package` built of it.
    """

    __tablename__ = "model_version"
    __table_args__ = (UniqueConstraint("pipeline", "version", name="one_row_a_version"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    version: Mapped[str | None] = mapped_column(String(20))
    mlflow_run: Mapped[str] = mapped_column(String(64))
    source: Mapped[str] = mapped_column(Text)
    run_id: Mapped[str] = mapped_column(String(250))
    data_hash: Mapped[str] = mapped_column(String(64))
    as_of: Mapped[str] = mapped_column(String(10))
    train_start: Mapped[str] = mapped_column(String(10))
    train_end: Mapped[str] = mapped_column(String(10))
    judged_train_end: Mapped[str] = mapped_column(String(10), default="", server_default="")
    refit: Mapped[str] = mapped_column(Text, default="", server_default="")
    learned_since: Mapped[str] = mapped_column(String(10), default="", server_default="")
    estimator: Mapped[str] = mapped_column(Text)
    files: Mapped[dict[str, Any]]
    importances: Mapped[dict[str, Any]]
    bento: Mapped[dict[str, Any]]
    compared_with: Mapped[str | None] = mapped_column(String(20))
    created_by: Mapped[str] = mapped_column(String(ACTOR))
    created_at: Mapped[datetime]
    adopted_by: Mapped[str] = mapped_column(String(ACTOR), default="", server_default="")


class PromotionRow(Table):
    """A version became the champion; the newest row of a pipeline names the one that it has by our own doing."""

    __tablename__ = "promotion"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    version: Mapped[str] = mapped_column(String(20))
    previous_version: Mapped[str] = mapped_column(String(20), default="", server_default="")
    reason: Mapped[str] = mapped_column(Text)
    actor: Mapped[str] = mapped_column(String(ACTOR))
    run_id: Mapped[str] = mapped_column(String(250))
    promoted_at: Mapped[datetime]


class FigureRow(Table):
    """One measured number of a day, for all rows (slice '') or a slice of them."""

    __tablename__ = "figure"

    pipeline: Mapped[str] = mapped_column(String(63), primary_key=True)
    partition: Mapped[str] = mapped_column(String(30), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), primary_key=True)
    slice: Mapped[str] = mapped_column(String(200), primary_key=True, default="")
    version: Mapped[str] = mapped_column(String(20), primary_key=True, default="")
    value: Mapped[float]
    measured_at: Mapped[datetime]


class RetrainRequestRow(Table):
    """A request for a new challenger. A pipeline has at most one open request.

    `day` is the partition that the trigger fired on; null while a person's request waits. `requested_by` is the
    role on whose behalf it was made: `person`, or what called for it in monitoring.
    """

    __tablename__ = "retrain_request"
    __table_args__ = (
        Index(
            "one_open_request",
            "pipeline",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
            sqlite_where=text("closed_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63))
    reason: Mapped[str] = mapped_column(Text)
    requested_by: Mapped[str] = mapped_column(String(20), default="person", server_default="person")
    day: Mapped[str | None] = mapped_column(String(30))
    asked_at: Mapped[datetime]
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None] = mapped_column(String(250))


class EndpointRow(Table):
    """What answers for a pipeline now. The router is the truth of traffic; this is what we want it to be."""

    __tablename__ = "endpoint"

    pipeline: Mapped[str] = mapped_column(String(63), primary_key=True)
    colour: Mapped[str] = mapped_column(String(10))
    version: Mapped[str] = mapped_column(String(20))
    previous_version: Mapped[str | None] = mapped_column(String(20))
    changed_at: Mapped[datetime]


class ReleaseRow(Table):
    """One attempt to put a version behind the endpoint. A pipeline has at most one that is running."""

    __tablename__ = "release"
    __table_args__ = (
        Index(
            "one_running_release",
            "pipeline",
            unique=True,
            postgresql_where=text("status = 'running'"),
            sqlite_where=text("status = 'running'"),
        ),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    pipeline: Mapped[str] = mapped_column(String(63), index=True)
    version: Mapped[str] = mapped_column(String(20))
    colour: Mapped[str] = mapped_column(String(10))
    plan: Mapped[dict[str, Any]]
    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[str] = mapped_column(Text, default="")
    asked_back: Mapped[str] = mapped_column(Text, default="", server_default="")
    run_id: Mapped[str] = mapped_column(String(250))
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class ReleaseStageRow(Table):
    """How far a release has come."""

    __tablename__ = "release_stage"

    release_id: Mapped[int] = mapped_column(ForeignKey("release.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    status: Mapped[str] = mapped_column(String(20))
    detail: Mapped[dict[str, Any]]
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class TrafficRow(Table):
    """What callers got from a version in a span of time: a minute, later the hour and the day that it was part of.

    `times` are milliseconds to the answer as [at most, how many], ascending.
    """

    __tablename__ = "traffic"

    pipeline: Mapped[str] = mapped_column(String(63), primary_key=True)
    colour: Mapped[str] = mapped_column(String(10), primary_key=True)
    version: Mapped[str] = mapped_column(String(20), primary_key=True)
    seconds: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    start: Mapped[datetime] = mapped_column(primary_key=True, index=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    errors: Mapped[int] = mapped_column(BigInteger)
    refused: Mapped[int] = mapped_column(BigInteger)
    times: Mapped[list[Any]] = mapped_column(JSON)


class RouterReadingRow(Table):
    """When a router's counters were last read into `traffic`, and how long it had run then."""

    __tablename__ = "router_reading"

    router: Mapped[str] = mapped_column(String(250), primary_key=True)
    read_at: Mapped[datetime]
    uptime_seconds: Mapped[float]


class RouterTotalRow(Table):
    """How far a router's counters of a colour had come then; `service` is `<pipeline>-<colour>`.

    It has no column `pipeline`, since a router goes on counting under the name that a pipeline had before.
    """

    __tablename__ = "router_total"

    router: Mapped[str] = mapped_column(String(250), primary_key=True)
    service: Mapped[str] = mapped_column(String(80), primary_key=True)
    counted: Mapped[dict[str, Any]]
