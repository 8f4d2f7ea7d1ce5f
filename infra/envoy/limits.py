"""How long and how much a caller may keep the router busy, so that slow or endless ones hold nobody else up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ListenerLimits:
    """Limits of one listener. The size of a body is the service's to judge: it says what is wrong with it.

    Attributes:
        connections: open at the same time; one more is closed at once. With as many to the services they stay below
            the 1,024 files that a process may have open where nobody raised that.
        handshake_seconds: to agree on encryption.
        header_seconds: from the first byte of a request to the end of its headers.
        request_seconds: from its first byte to its last: more than the service waits, which explains itself.
        still_seconds: a request or an answer of which nothing moves; more than an answer may take.
        idle_seconds: a connection without a request.
        header_kilobytes: of all headers of a request.
        streams: requests at the same time on one connection, where it is HTTP/2.
    """

    connections: int = 500
    handshake_seconds: float = 10.0
    header_seconds: float = 10.0
    request_seconds: float = 45.0
    still_seconds: float = 60.0
    idle_seconds: float = 60.0
    header_kilobytes: int = 32
    streams: int = 100

    def of_http(self) -> dict[str, Any]:
        """Settings of the HTTP connection manager."""
        return {
            "request_headers_timeout": f"{self.header_seconds}s",
            "request_timeout": f"{self.request_seconds}s",
            "stream_idle_timeout": f"{self.still_seconds}s",
            "common_http_protocol_options": {"idle_timeout": f"{self.idle_seconds}s"},
            "max_request_headers_kb": self.header_kilobytes,
            "http2_protocol_options": {
                "max_concurrent_streams": self.streams,
                "initial_stream_window_size": 64 << 10,
                "initial_connection_window_size": 1 << 20,
            },
        }

    def filter(self) -> dict[str, Any]:
        """The network filter that counts connections."""
        kind = "envoy.extensions.filters.network.connection_limit.v3.ConnectionLimit"
        return {
            "name": "envoy.filters.network.connection_limit",
            "typed_config": {
                "@type": f"type.googleapis.com/{kind}",
                "stat_prefix": "endpoint_connections",
                "max_connections": self.connections,
            },
        }


LIMITS = ListenerLimits()
