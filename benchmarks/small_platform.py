"""A small platform for benchmarks of releases: PostgreSQL, supervisord, Envoy, and Bentos of two small models."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from sqlalchemy import create_engine, text

from benchmarks.callers import ROW
from infra.embedded import postgres, services
from infra.embedded.layout import Layout
from infra.embedded.platform import start_supervisord
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import EnvoyFiles
from infra.local import LocalBackend
from tests.free_ports import free_ports
from tests.infra.local.conftest import build_artifacts
from tests.pipelines import PIPELINE_FILE
from tidewheel.ledger import Ledger, migrate
from tidewheel.ledger.releases import Releases
from tidewheel.ledger.tables import EndpointRow
from tidewheel.polling import poll
from tidewheel.release.artifact import Artifact
from tidewheel.release.executor import Executor
from tidewheel.release.watch import Scores
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline, find_pipeline
from tidewheel.spec.release import Release


@dataclass(frozen=True)
class SmallPlatform:
    """What stands, and the pipeline `orders` that is released there."""

    pipeline: Pipeline
    settings: Settings
    releases: Releases
    backend: LocalBackend
    artifacts: dict[str, Artifact]

    def executor(self, bake_seconds: float, scores: Scores | None = None) -> Executor:
        """An executor that bakes so long."""
        return Executor(self.baking(bake_seconds), self.backend, self.releases, self.artifacts.__getitem__, scores)

    def baking(self, seconds: float) -> Pipeline:
        """The pipeline, its versions baking so long."""
        guard = {"window_seconds": 1, "minimum_requests": 50}
        release = Release.model_validate({"bake_seconds": seconds, "guard": guard})
        return self.pipeline.model_copy(update={"release": release})

    def release(self, version: str, bake_seconds: float, scores: Scores | None = None) -> int:
        """Release a version from plan to end; returns the release's number.

        Raises:
            ReleaseError: it fails and is taken back.
        """
        executor = self.executor(bake_seconds, scores)
        number = executor.begin(version, "benchmark").number
        executor.run(number)
        return number

    @property
    def live(self) -> EndpointRow:
        """What answers, by the ledger."""
        row = self.releases.endpoint(self.pipeline.name)
        assert row is not None
        return row

    @property
    def other_version(self) -> str:
        """The good version that does not answer."""
        return "2" if self.live.version == "1" else "1"

    def answering(self) -> str:
        """The version that answers a caller."""
        answer = httpx.post(f"{self.backend.endpoint()}/predict", json={"rows": [ROW]}, trust_env=False)
        return str(answer.raise_for_status().json()["model_version"])

    def has_begun(self, number: int, stage: str) -> bool:
        """Whether a stage of a release has begun."""
        return any(row.name == stage for row in self.releases.stages(number))


@contextmanager
def small_platform() -> Iterator[SmallPlatform]:
    """PostgreSQL, supervisord and Envoy in a folder of their own, for as long as the block runs."""
    with tempfile.TemporaryDirectory() as folder, _started(Path(folder)) as started:
        yield started


@contextmanager
def _started(folder: Path) -> Iterator[SmallPlatform]:
    layout, password = Layout(folder / "home"), secrets.token_hex(8)
    layout.create()
    (folder / "dags").mkdir()
    (folder / "dags" / "orders.yaml").write_text(PIPELINE_FILE, encoding="utf-8")
    endpoint, postgres_port = free_ports(2)
    supervisor = start_supervisord(layout, {"PATH": os.environ["PATH"]})
    try:
        files = EnvoyFiles(layout.envoy)
        write_initial_state(files, endpoint=Address(endpoint), admin_socket=layout.envoy_socket)
        postgres.create_data_folder(layout, password)
        for program in (services.envoy(files), postgres.program(layout, postgres_port)):
            supervisor.add(program)
            supervisor.start(program.name)
        url = database(
            postgres.url(password, postgres_port, "postgres"), postgres.url(password, postgres_port, "tidewheel")
        )
        settings = Settings(
            home=layout.home,
            project=folder,
            endpoint_url=f"http://127.0.0.1:{endpoint}",
            envoy_admin_url=f"unix://{layout.envoy_socket}",
            database_url=url,
        )
        pipeline = find_pipeline(settings.pipelines_folder, "orders")
        artifacts = build_artifacts(layout.home, pipeline)
        backend = LocalBackend(settings, pipeline.name)
        yield SmallPlatform(pipeline, settings, Releases(Ledger(url)), backend, artifacts)
    finally:
        supervisor.shutdown()


def database(server: str, url: str) -> str:
    """Make an empty ledger on a server as soon as that answers; returns its URL."""
    for _ in poll(60, every=0.1):
        if not postgres.refusal(server):
            break
    engine = create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE tidewheel"))
    engine.dispose()
    migrate(url)
    return url
