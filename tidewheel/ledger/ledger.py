"""The ledger: every verdict, every day's figures and every request for training, with the reasons."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Engine, create_engine, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, IntegrityError, InterfaceError, OperationalError, ProgrammingError
from sqlalchemy.orm import Session

from tidewheel.errors import LedgerError, SettingsError
from tidewheel.ledger.audit import append_verdict
from tidewheel.ledger.locks import one_at_a_time
from tidewheel.ledger.outage import PATIENCE_SECONDS, LedgerAway, idempotent, may_come_back
from tidewheel.ledger.plain_json import to_json
from tidewheel.ledger.requests import TrainingRequests
from tidewheel.ledger.table_form import is_lacking, is_newer, tables_sentence
from tidewheel.ledger.tables import ACTOR, FigureRow, Table, VerdictRow
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.settings import Settings, load_settings
from tidewheel.unknown import known_figures

CONNECT_SECONDS = 5
KEY = ("pipeline", "kind", "subject", "run_id")
"""What makes two verdicts the same one."""


class Ledger(TrainingRequests):
    """The platform's memory of decisions. Everything may be written twice; it is then there once.

    Args:
        url: SQLAlchemy URL of the database.
        patience_seconds: how long to wait for a database that is away; a page or a person at a terminal does not.
    """

    def __init__(self, url: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
        self.patience_seconds = patience_seconds
        try:
            connect = {"connect_timeout": CONNECT_SECONDS} if url.startswith("postgresql") else {}
            self.engine: Engine = create_engine(url, pool_pre_ping=True, json_serializer=to_json, connect_args=connect)
        except (
            ArgumentError,
            ModuleNotFoundError,
            ValueError,
        ):  # whose words may repeat the password
            raise SettingsError(
                "the URL of the ledger (TIDEWHEEL_DATABASE_URL) cannot be used, or its driver is not installed; "
                "expected postgresql+psycopg2://USER:PASSWORD@HOST:PORT/DATABASE"
            ) from None

    @classmethod
    def open(cls, settings: Settings | None = None, patience_seconds: float = PATIENCE_SECONDS) -> Ledger:
        """The ledger of this installation.

        Args:
            settings: of the installation.
            patience_seconds: how long to wait for a database that is away.

        Raises:
            SettingsError: TIDEWHEEL_DATABASE_URL is not set and no platform runs here.
        """
        return cls((settings or load_settings()).require("database_url"), patience_seconds)

    @classmethod
    @contextmanager
    def briefly(cls, settings: Settings | None = None, patience_seconds: float = 0) -> Iterator[Ledger]:
        """The ledger for one page or message: it does not wait for a database that is away, and leaves no connection.

        Raises:
            SettingsError: as `open`.
        """
        ledger = cls.open(settings, patience_seconds)
        try:
            yield ledger
        finally:
            ledger.engine.dispose()

    @contextmanager
    def patient(self, seconds: float) -> Iterator[None]:
        """Wait for a ledger that is away for so long, while the block runs."""
        usual, self.patience_seconds = self.patience_seconds, seconds
        try:
            yield
        finally:
            self.patience_seconds = usual

    @contextmanager
    def session(self) -> Iterator[Session]:
        """One transaction.

        Raises:
            LedgerAway: the database cannot be reached at present.
            LedgerError: it will never be reached like this, or has not the tables of this version.
        """
        try:
            with Session(self.engine, expire_on_commit=False) as session, session.begin():
                yield session
        except (OperationalError, InterfaceError) as error:
            if is_lacking(error):
                raise LedgerError(f"{self._name} {tables_sentence(error, self.engine)}") from error
            said = " ".join(str(error.orig).split())
            kind = LedgerAway if may_come_back(error) else LedgerError
            raise kind(f"{self._name} cannot be reached: {said}; is the platform up (`tidewheel status`)?") from error
        except ProgrammingError as error:
            raise LedgerError(f"{self._name} {tables_sentence(error, self.engine)}") from error
        except IntegrityError as error:
            if not is_newer(error, self.engine):
                raise
            raise LedgerError(f"{self._name} {tables_sentence(error, self.engine)}") from error

    @property
    def _name(self) -> str:
        return f"the ledger at {self.engine.url.render_as_string(hide_password=True)}"

    # --- verdicts --------------------------------------------------------------------------------------------------

    @idempotent
    def record(
        self, pipeline: str, subject: str, run_id: str, verdict: Verdict, at: datetime, *, actor: str = ""
    ) -> None:
        """Keep a verdict; the same run deciding again about the same subject replaces what it said before.

        Args:
            pipeline: its name.
            subject: what was decided about: a day, or a version.
            run_id: of the run that decided.
            verdict: the decision.
            at: when.
            actor: the person who decided; empty where a policy did.
        """
        with self.session() as session:
            _put_verdict(session, _verdict_values(pipeline, subject, run_id, verdict, at, actor))

    @idempotent
    def record_once(
        self, pipeline: str, subject: str, run_id: str, verdict: Verdict, at: datetime, *, actor: str = ""
    ) -> bool:
        """Keep a verdict unless the newest of its kind about the subject says the same, or is of the same run.

        Two processes that decide the same at the same time write it once, and the first of them is named.

        Args:
            pipeline: its name.
            subject: what was decided about.
            run_id: of the run that decided.
            verdict: the decision.
            at: when.
            actor: the person who decided.

        Returns:
            Whether it was written.
        """
        said = _verdict_values(pipeline, subject, run_id, verdict, at, actor)
        newest = (
            select(VerdictRow)
            .where(VerdictRow.pipeline == pipeline, VerdictRow.kind == str(verdict.kind), VerdictRow.subject == subject)
            .order_by(VerdictRow.decided_at.desc(), VerdictRow.id.desc())
            .limit(1)
        )
        with self.session() as session:
            one_at_a_time(session, f"{pipeline} {verdict.kind} {subject}")
            last = session.scalars(newest).one_or_none()
            if last is not None and (last.run_id == run_id or _says(last) == _says(VerdictRow(**said))):
                return False
            _put_verdict(session, said)
        return True

    @idempotent
    def verdicts(
        self,
        pipeline: str,
        kind: Kind | Sequence[Kind] | None = None,
        limit: int | None = 20,
        outcome: Outcome | None = None,
    ) -> list[VerdictRow]:
        """The newest verdicts (None: all), of one kind, some, or all, and of one outcome or any; newest first."""
        query = select(VerdictRow).where(VerdictRow.pipeline == pipeline).limit(limit)
        query = query.order_by(VerdictRow.decided_at.desc(), VerdictRow.id.desc())
        if kind is not None:
            kinds = [kind] if isinstance(kind, Kind) else kind
            query = query.where(VerdictRow.kind.in_([str(one) for one in kinds]))
        if outcome is not None:
            query = query.where(VerdictRow.outcome == str(outcome))
        with self.session() as session:
            return list(session.scalars(query))

    @idempotent
    def judged_after(self, pipeline: str, kind: Kind, subject: str) -> list[str]:
        """What verdicts of a kind are about, as far as it comes after `subject` in the order of text; last first."""
        query = (
            select(VerdictRow.subject)
            .where(VerdictRow.pipeline == pipeline, VerdictRow.kind == str(kind), VerdictRow.subject > subject)
            .distinct()
        )
        with self.session() as session:
            return sorted(session.scalars(query), reverse=True)

    # --- figures ---------------------------------------------------------------------------------------------------

    @idempotent
    def put_figures(
        self,
        pipeline: str,
        partition: str,
        figures: Mapping[str, float],
        at: datetime,
        *,
        slice: str = "",
        version: str = "",
    ) -> None:
        """Keep the figures of a day in place of what was measured before. NaN is unknown: left out."""
        key = {"pipeline": pipeline, "partition": partition, "slice": slice, "version": version}
        known = [(name, float(value)) for name, value in sorted(known_figures(figures).items())]
        rows = [{**key, "name": name, "value": value, "measured_at": at} for name, value in known]
        with self.session() as session:
            _put(session, FigureRow, [*key, "name"], rows)

    @idempotent
    def figures(self, pipeline: str, name: str, *, slice: str = "") -> list[FigureRow]:
        """One figure over the days, oldest first."""
        query = (
            select(FigureRow)
            .where(FigureRow.pipeline == pipeline, FigureRow.name == name, FigureRow.slice == slice)
            .order_by(FigureRow.partition)
        )
        with self.session() as session:
            return list(session.scalars(query))

    @idempotent
    def figures_of_days(self, pipeline: str, first: str, last: str, names: Collection[str]) -> list[FigureRow]:
        """Some figures of the days `first` to `last`, of all slices and versions, oldest first."""
        query = (
            select(FigureRow)
            .where(FigureRow.pipeline == pipeline, FigureRow.partition.between(first, last), FigureRow.name.in_(names))
            .order_by(FigureRow.partition, FigureRow.slice, FigureRow.version, FigureRow.name)
        )
        with self.session() as session:
            return list(session.scalars(query))

    @idempotent
    def forget_figures(self, pipeline: str, partition: str, names: Collection[str], *, before: datetime) -> None:
        """Delete what was measured of a day under some names before a time, whatever its slice and version."""
        query = delete(FigureRow).where(
            FigureRow.pipeline == pipeline,
            FigureRow.partition == partition,
            FigureRow.name.in_(names),
            FigureRow.measured_at < before,
        )
        with self.session() as session:
            session.execute(query)


def _verdict_values(
    pipeline: str, subject: str, run_id: str, verdict: Verdict, at: datetime, actor: str
) -> dict[str, Any]:
    return {
        "pipeline": pipeline,
        "kind": str(verdict.kind),
        "subject": subject,
        "run_id": run_id,
        "outcome": str(verdict.outcome),
        "sentence": verdict.sentence,
        "inputs": dict(verdict.inputs),
        "thresholds": dict(verdict.thresholds),
        "actor": actor[:ACTOR],
        "decided_at": at,
    }


def _says(row: VerdictRow) -> tuple[str, str, str]:
    return row.outcome, row.sentence, row.actor


def _put_verdict(session: Session, values: Mapping[str, Any]) -> None:
    _put(session, VerdictRow, KEY, [values])
    row = session.scalars(select(VerdictRow.id).filter_by(**{name: values[name] for name in KEY})).one()
    append_verdict(session, row, values)


def _put(session: Session, table: type[Table], key: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert, or replace what stands at the key: one statement, so that two writers at once do not collide."""
    if not rows:
        return
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(table).values(rows)
    new = {name: statement.excluded[name] for name in rows[0] if name not in key}
    session.execute(statement.on_conflict_do_update(index_elements=list(key), set_=new))
