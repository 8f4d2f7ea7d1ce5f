"""Clients of the platform's services: no proxy, a sentence for each failure, an object or nothing."""

from __future__ import annotations

import socket
import ssl

import httpx
import pytest

from tidewheel.http_client import failure, fetch, http_client, json_object, trusted


def test_a_proxy_of_the_environment_stands_in_no_request(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_proxy:  # through it there would be a timeout
        monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{silent_proxy.getsockname()[1]}")
        with pytest.raises(httpx.ConnectError), http_client(seconds=1) as client:
            client.get("http://127.0.0.1:1/")
        with pytest.raises(httpx.ConnectError):
            fetch("http://127.0.0.1:1/", 1)


def test_a_silent_server_is_named_by_the_kind_of_timeout_where_httpx_has_no_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with pytest.raises(httpx.ReadTimeout) as raised:
            fetch(f"http://127.0.0.1:{silent.getsockname()[1]}/", 0.2)
        assert failure(raised.value)
    assert failure(httpx.ReadTimeout("")) == "ReadTimeout"


@pytest.mark.parametrize(
    ("body", "expected"), [(b'{"a": 1}', {"a": 1}), (b"[1]", None), (b"<html>", None), (b"\xff", None), (b"", None)]
)
def test_only_an_object_counts_as_a_json_object(body: bytes, expected: object) -> None:
    assert json_object(httpx.Response(200, content=body)) == expected


def test_trust_is_read_once_and_verifies() -> None:
    assert trusted() is trusted()
    assert trusted().verify_mode is ssl.CERT_REQUIRED
    assert trusted().get_ca_certs()
