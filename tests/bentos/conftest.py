"""A packaged model and its endpoint, called in this process over ASGI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from bentos.endpoint import Endpoint
from bentos.loaded_model import LoadedModel
from bentos.settings import EndpointSettings
from jobs.data.request_log import RequestLog
from jobs.packaging.bento import BentoStore
from tests import small_models
from tidewheel.release.artifact import Artifact
from tidewheel.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

Application = Callable[..., Any]


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A Bento of the pipeline `orders`, built by BentoML."""
    spec = small_models.pipeline(tmp_path_factory.mktemp("pipeline"))
    limited = spec.model_copy(update={"serving": spec.serving.model_copy(update={"maximum_rows": 1000})})
    trained = small_models.train()
    store = BentoStore(tmp_path_factory.mktemp("home") / "bentos")
    return store.build(limited, "7", "run", trained.contract, trained.model).artifact


@pytest.fixture(scope="session")
def served(artifact: Artifact) -> LoadedModel:
    return LoadedModel.open(Path(artifact.path))


@dataclass(frozen=True)
class Caller:
    """Sends requests to an endpoint."""

    endpoint: Endpoint
    golden: list[dict[str, Any]]

    def predict(self, rows: Any, **headers: str) -> httpx.Response:
        """POST rows as JSON."""
        return self.send("POST", "/predict", json.dumps({"rows": rows}), **headers)

    def send(self, method: str, path: str, content: str | bytes = b"", **headers: str) -> httpx.Response:
        """Send a request as it is."""

        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(self.endpoint)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
                named = {name.replace("_", "-"): value for name, value in headers.items()}
                named = {"content-type": "application/json", **named}
                return await client.request(method, path, content=content, headers=named)

        return asyncio.run(send())


@pytest.fixture(scope="session")
def caller(served: LoadedModel) -> Caller:
    return Caller(
        Endpoint(unknown, lambda: served, EndpointSettings()),
        [dict(golden.row) for golden in served.packaged.contract.golden_rows],
    )


async def unknown(scope: Any, receive: Any, send: Any) -> None:
    """Stands where BentoML's own application would."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b"BentoML's"})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home")


@pytest.fixture
def folder(settings: Settings) -> Path:
    """Where the requests of pipeline `orders` are logged."""
    return settings.request_log_folder / "orders"


def logged(settings: Settings) -> pd.DataFrame:
    """The requests of pipeline `orders` in the log."""
    now = datetime.now(UTC)
    return RequestLog(settings, "orders").between(now - timedelta(days=1), now + timedelta(days=1))
