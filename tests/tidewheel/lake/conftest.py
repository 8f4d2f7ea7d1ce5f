"""Lakes on a local folder and on a real S3 protocol server."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tidewheel.lake import Lake, Store


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


@pytest.fixture
def make_lake(tmp_path: Path) -> Callable[[], Lake]:
    """Makes empty lakes, each in a folder of its own."""
    numbers = count(1)
    return lambda: Lake("shop", Store(f"file://{tmp_path}/lake {next(numbers)}", {}))
