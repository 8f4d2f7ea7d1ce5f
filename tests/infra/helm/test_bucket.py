"""The bucket that `prepare` makes, on a real S3 server, one that is away, and one that refuses."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import uuid4

import pytest

from infra.helm.databases import create_bucket
from tests.free_ports import free_port
from tidewheel.errors import PlatformError
from tidewheel.lake import Store
from tidewheel.settings import Settings

ONCE = {"config_kwargs": {"retries": {"max_attempts": 1}}}


class Refusing(BaseHTTPRequestHandler):
    """A server that knows no key."""

    def answer(self) -> None:
        content = b"<Error><Code>InvalidAccessKeyId</Code><Message>No such key.</Message></Error>"
        self.send_response(403)
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = answer

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def refusing() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def lake(bucket: str, options: dict[str, object], home: Path) -> Settings:
    return Settings(home=home, lake_url=f"s3://{bucket}/lake", lake_options=options)


def test_the_bucket_is_made_once(
    s3_options: dict[str, object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tidewheel.databases")
    bucket = f"prepared-{uuid4().hex[:8]}"
    create_bucket(lake(bucket, s3_options, tmp_path))
    create_bucket(lake(bucket, s3_options, tmp_path))

    assert Store(f"s3://{bucket}", s3_options).fs.exists(bucket)
    said = [record.getMessage() for record in caplog.records if record.name == "tidewheel.databases"]
    assert said == [f"made bucket {bucket}"]


def test_a_server_that_stays_away_is_one_sentence(tmp_path: Path) -> None:
    away = {"endpoint_url": f"http://127.0.0.1:{free_port()}", "key": "key", "secret": "secret"}

    with pytest.raises(PlatformError) as raised:
        create_bucket(lake("prepared", away | ONCE, tmp_path), seconds=0)

    assert str(raised.value).startswith("S3 does not answer after 0 s: Could not connect to the endpoint URL")
    assert "endpoint_url in TIDEWHEEL_LAKE_OPTIONS (Secret tidewheel)" in str(raised.value)


def test_a_server_that_refuses_the_key_is_not_asked_again(refusing: str, tmp_path: Path) -> None:
    options = {"endpoint_url": refusing, "key": "key", "secret": "wrong"}

    with pytest.raises(PlatformError, match=r"bucket prepared could not be made: .*may make buckets"):
        create_bucket(lake("prepared", options | ONCE, tmp_path))
