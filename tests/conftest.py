"""Fixtures that several rooms share. Each starts its part only when a test asks for it."""

from __future__ import annotations

import gc
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from infra.embedded import launch, postgres
from infra.embedded.installation import find_java_home
from infra.embedded.layout import Layout
from tests.free_ports import free_port
from tests.installation import installation  # noqa: F401  a fixture
from tidewheel.atomic_file import write_private
from tidewheel.ledger import migrate

TEMPLATE = "migrated"
# Imports make millions of objects, and no garbage: looking for it takes an eighth of the collection's time.
gc.disable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """From here on there is garbage, but none among what was imported."""
    gc.freeze()
    gc.enable()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One more than there are processors, and five at most: tests wait a lot for the processes that they start."""
    return min((os.cpu_count() or 1) + 1, 5)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes have no part in a test's name: a compressed body holds the time, which differs between two workers."""
    return argname if isinstance(val, bytes) else None


def wait_until(done: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait for a condition; a test never sleeps for a fixed time."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)


@pytest.fixture(scope="session")
def s3_options() -> Iterator[dict[str, object]]:
    """Options of a lake on a real server that speaks S3's protocol; a test makes a bucket of its own there."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {"endpoint_url": f"http://{host}:{port}", "key": "key", "secret": "secret"}
    server.stop()


@pytest.fixture(scope="session", autouse=True)
def _no_authorities(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody is trusted: each HTTP client would read 140 certificates, which costs more than what it asks for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(tmp_path_factory.mktemp("authorities")))
        yield


@pytest.fixture(scope="session", autouse=True)
def _java(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Spark finds Java as it does under the platform: the machine's own, else the one from the wheel."""
    layout = Layout(tmp_path_factory.mktemp("java") / "home")
    layout.create()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_HOME", str(find_java_home(layout)))
        yield


class PostgresServer:
    """A real PostgreSQL server, which a test may stop and start again."""

    def __init__(self, home: Path) -> None:
        self._layout = Layout(home)
        self._layout.create()
        self._password = secrets.token_hex(8)
        postgres.create_data_folder(self._layout, self._password)
        self._port = free_port()
        program = postgres.program(self._layout, self._port)
        self._launch_file = program.launch_file(self._layout)
        write_private(self._launch_file, program.launch_json())

    def url(self, database: str) -> str:
        """URL of one of its databases."""
        return postgres.url(self._password, self._port, database)

    def start(self) -> None:
        """Start it, and wait until it accepts connections."""
        launcher = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(self._launch_file)]
        with self._layout.log("postgres").open("ab") as log:
            self._process = subprocess.Popen(launcher, stdout=log, stderr=log)
        wait_until(lambda: not postgres.refusal(self.url("postgres")), "PostgreSQL accepts connections")

    def signal(self, number: signal.Signals) -> None:
        """Send its main process a signal."""
        self._process.send_signal(number)

    def stop(self) -> None:
        """Stop it at once, whoever is connected."""
        self.signal(signal.SIGINT)
        self._process.wait(30)


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], str]]:
    """A real PostgreSQL server of its own; called with a database's name, gives its URL."""
    server = PostgresServer(tmp_path_factory.mktemp("postgres") / "home")
    try:
        server.start()
        yield server.url
    finally:
        server.stop()


@pytest.fixture(scope="session")
def restarted_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    """A server with a ledger, for tests that stop it and start it again."""
    server = PostgresServer(tmp_path_factory.mktemp("restarted") / "home")
    server.start()
    try:
        migrate(server.url("postgres"))
        yield server
    finally:
        server.signal(signal.SIGCONT)
        server.stop()


@pytest.fixture(scope="session")
def _migrated(postgres_url: Callable[[str], str]) -> Callable[[str], str]:
    _execute(postgres_url("postgres"), f"CREATE DATABASE {TEMPLATE}")
    migrate(postgres_url(TEMPLATE))
    return postgres_url


@pytest.fixture
def database_url(_migrated: Callable[[str], str]) -> Iterator[str]:
    """URL of a database that holds an empty ledger and belongs to this test alone."""
    with _database(_migrated, TEMPLATE) as url:
        yield url


@pytest.fixture
def empty_database_url(postgres_url: Callable[[str], str]) -> Iterator[str]:
    """URL of a database without tables that belongs to this test alone."""
    with _database(postgres_url, "template1") as url:
        yield url


@contextmanager
def _database(url_of: Callable[[str], str], template: str) -> Iterator[str]:
    """A database made from a template, until the end of the block."""
    name = f"test_{secrets.token_hex(6)}"
    _execute(url_of("postgres"), f"CREATE DATABASE {name} TEMPLATE {template}")
    yield url_of(name)
    _execute(url_of("postgres"), f"DROP DATABASE {name} WITH (FORCE)")


def _execute(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement))
    engine.dispose()
