"""Lakes on a local folder and on a real S3 protocol server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tidewheel.lake import Lake, Store


@pytest.fixture(scope="session")
def s3_options() -> Iterator[dict[str, object]]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield {"endpoint_url": f"http://{host}:{port}", "key": "key", "secret": "secret"}
    server.stop()


@pytest.fixture(params=["file", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """The same claims hold for a folder and for an object store."""
    if request.param == "file":
        return Lake("shop", Store(f"file://{tmp_path}/the lake", {}))
    options = request.getfixturevalue("s3_options")
    bucket = f"lake-{abs(hash(request.node.name))}"
    store = Store(f"s3://{bucket}/root", options)
    store.fs.mkdir(bucket)
    return Lake("shop", store)
