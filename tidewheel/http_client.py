"""HTTP to the services of an installation: one way to open a client, to trust a server and to name a failure.

These services are our own processes or run beside them, so no proxy of the environment stands between.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping


def http_client(
    base_url: str = "",
    *,
    seconds: float,
    retries: int = 0,
    transport: httpx.BaseTransport | None = None,
    auth: tuple[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> httpx.Client:
    """A client of one service.

    Args:
        base_url: what the paths of its requests are below.
        seconds: time limit of the connection and of each read.
        retries: how often to try again where no connection comes about; a request that was sent is never repeated.
        transport: carries the requests; default: the network, trusting `trusted` certificates.
        auth: user and password.
        headers: of every request.
    """
    return httpx.Client(
        base_url=base_url,
        timeout=seconds,
        transport=transport or httpx.HTTPTransport(retries=retries, verify=trusted()),
        auth=auth,
        headers=headers,
        trust_env=False,
    )


def plain_transport(socket: str | None = None) -> httpx.HTTPTransport:
    """A transport without TLS, which costs nothing to open: loading certificates takes longer than such a request.

    Args:
        socket: path of a unix socket; None: the network.
    """
    return httpx.HTTPTransport(uds=socket, verify=False)


@cache
def trusted() -> ssl.SSLContext:
    """Certificates that a server may be signed by, the system's and httpx's own; read once, since that is slow."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def fetch(url: str, seconds: float) -> httpx.Response:
    """GET over a connection of its own, which leads to whatever listens at the address now.

    Raises:
        httpx.HTTPError: there is no answer.
    """
    with http_client(seconds=seconds, transport=None if url.startswith("https:") else plain_transport()) as client:
        return client.get(url)


def failure(error: httpx.HTTPError) -> str:
    """What prevented a service from answering, in words; a timeout of httpx has none of its own."""
    return str(error) or type(error).__name__


def json_object(response: httpx.Response) -> dict[str, Any] | None:
    """The JSON object of a response; None where it is anything else."""
    try:
        body = response.json()
    except ValueError:
        return None
    return body if isinstance(body, dict) else None
