"""A home with a real supervisord and a real Envoy, and Bentos of three versions: two good ones and one that crashes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest

from infra.embedded import services
from infra.embedded.layout import Layout
from infra.embedded.platform import start_supervisord
from infra.embedded.supervisor import Supervisor
from infra.envoy.bootstrap import Address, write_initial_state
from infra.envoy.files import EnvoyFiles
from infra.local import LocalBackend
from jobs.packaging.bento import BentoStore
from tests import small_models
from tests.conftest import wait_until
from tests.free_ports import free_ports
from tests.infra.local import ill
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.release.artifact import Artifact
from tidewheel.release.backend import Backend
from tidewheel.release.executor import Executor
from tidewheel.release.stages import Colour
from tidewheel.release.traffic import Traffic
from tidewheel.release.watch import Scores
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline
from tidewheel.spec.release import Release

SECRETS = {
    "SHOP_DATABASE_URL": "postgresql://shop:s3cret@db/shop",
    "TIDEWHEEL_LAKE_OPTIONS": '{"secret": "s3cret"}',
    "TIDEWHEEL_MLFLOW_PASSWORD": "s3cret",
}
"""What the platform's environment holds for others than a model."""


@dataclass(frozen=True)
class House:
    """What stands while these tests run."""

    layout: Layout
    supervisor: Supervisor
    endpoint_url: str
    admin_url: str
    pipeline: Pipeline
    artifacts: dict[str, Artifact]


@dataclass(frozen=True)
class Place:
    """One pipeline of a test of its own, with an empty ledger."""

    pipeline: Pipeline
    settings: Settings
    releases: Releases
    backend: Backend
    executor: Executor
    build: Callable[[str], Artifact]

    def executor_for(self, pipeline: Pipeline, scores: Scores | None = None) -> Executor:
        """One that releases by another declaration, or reads scores."""
        return Executor(pipeline, self.backend, self.releases, self.build, scores)

    def predict(self, client: httpx.Client | None = None) -> dict[str, object]:
        """Ask the endpoint for a golden row."""
        row = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}
        post = (client or httpx).post
        answer = post(f"{self.backend.endpoint()}/predict", json={"rows": [row]}, timeout=10)
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    layout = Layout(tmp_path_factory.mktemp("local") / "home")
    layout.create()
    pipeline = small_models.pipeline(tmp_path_factory.mktemp("pipelines"))
    [port] = free_ports(1)
    supervisor = start_supervisord(layout, {"PATH": os.environ["PATH"], **SECRETS})
    try:
        files = EnvoyFiles(layout.envoy)
        write_initial_state(files, endpoint=Address(port), admin_socket=layout.envoy_socket)
        supervisor.add(services.envoy(files))
        supervisor.start(services.ENVOY)
        endpoint_url, admin_url = f"http://127.0.0.1:{port}", f"unix://{layout.envoy_socket}"
        wait_until(lambda: answers(f"{endpoint_url}/healthz"), "Envoy answers")
        yield House(layout, supervisor, endpoint_url, admin_url, pipeline, build_artifacts(layout.home, pipeline))
    finally:
        supervisor.shutdown()


def build_artifacts(home: Path, pipeline: Pipeline) -> dict[str, Artifact]:
    """Bentos of versions 1 and 2; version 3 lacks a library, version 4 answers otherwise than offline.

    The others are ill in the way their name says.
    """
    store = BentoStore(home / "bentos")
    artifacts = {}
    for version, weight in (("1", 1.0), ("2", 3.0)):
        trained = small_models.train(weight=weight)
        artifacts[version] = store.build(pipeline, version, "run", trained.contract, trained.model).artifact
    artifacts["3"] = broken(artifacts["1"], "3", {"bentos/service.py": "import a_library_that_is_missing\n"})
    wrong_model = (Path(artifacts["2"].path) / "model.bin").read_bytes()
    artifacts["4"] = broken(artifacts["1"], "4", {"model.bin": wrong_model})
    for illness in ill.VERSIONS:
        files = ill.files(illness, Path(artifacts["1"].path))
        artifacts[illness] = broken(artifacts["1"], illness, files)
    return artifacts


def broken(good: Artifact, version: str, files: dict[str, str | bytes]) -> Artifact:
    """A copy of a Bento with other files."""
    folder = Path(good.path).parent.with_name(f"{version}-broken") / "src"
    shutil.copytree(good.path, folder)
    facts = folder / "service.json"
    facts.write_text(facts.read_text().replace(f'"version": "{good.version}"', f'"version": "{version}"'))
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return replace(good, version=version, path=str(folder), content_hash=f"broken {version}")


@pytest.fixture
def place(house: House, database_url: str, request: pytest.FixtureRequest) -> Iterator[Place]:
    """A pipeline named after the test, so that tests share the house without meeting."""
    name = f"p{abs(hash(request.node.name)) % 10**8}"
    pipeline = released_by(house.pipeline.model_copy(update={"name": name}), bake_seconds=0.5)
    settings = Settings(
        home=house.layout.home,
        endpoint_url=house.endpoint_url,
        envoy_admin_url=house.admin_url,
        database_url=database_url,
    )
    releases = Releases(Ledger(database_url))
    backend = LocalBackend(settings, name)
    build: Callable[[str], Artifact] = house.artifacts.__getitem__
    yield Place(pipeline, settings, releases, backend, Executor(pipeline, backend, releases, build), build)
    backend.route(Traffic())
    wait_until(lambda: backend.traffic() == Traffic(), "nothing is routed")
    for colour in Colour:
        backend.stop(colour)


def released_by(pipeline: Pipeline, latency_budget_ms: float = 5000, **release: object) -> Pipeline:
    """The same pipeline with another section `release`, its windows short and its latency no matter of this machine."""
    guard = {"window_seconds": 0.8, "minimum_requests": 10, "maximum_latency_ratio": 1}
    serving = pipeline.serving.model_copy(update={"latency_budget_ms": latency_budget_ms})
    update = {"release": Release.model_validate({"guard": guard, **release}), "serving": serving}
    return pipeline.model_copy(update=update)


def answers(url: str) -> bool:
    """Whether a page is there."""
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.TransportError:
        return False
