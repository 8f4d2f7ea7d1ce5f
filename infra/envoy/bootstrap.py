"""Envoy before the first release: its bootstrap, one listener, no route."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from infra.envoy.files import CLUSTER, LISTENER, ROUTES, EnvoyFiles, publish
from infra.envoy.limits import LIMITS, ListenerLimits
from infra.envoy.observation import Observation
from tidewheel.atomic_file import write_private

if TYPE_CHECKING:
    from pathlib import Path

HOST = "127.0.0.1"
ROUTE_TABLE = "endpoint"
OWNER_ONLY = 0o600
COPY_HEADER = "x-tidewheel-copy"
"""What a copied request shows to the service; see `bentos.platform_token`."""
UNOBSERVED = Observation()
HEALTH = {"name": ":path", "string_match": {"exact": "/healthz"}}


@dataclass(frozen=True)
class Tls:
    """The endpoint for other machines, encrypted.

    Attributes:
        port: where it listens.
        certificate: file with the certificate, and those that lead to a known authority, in PEM.
        key: file with its private key, in PEM.
    """

    port: int
    certificate: Path
    key: Path


class Address(NamedTuple):
    """Where a listener listens."""

    port: int
    host: str = HOST


def write_initial_state(
    files: EnvoyFiles,
    *,
    endpoint: Address,
    admin_socket: Path,
    tls: Tls | None = None,
    limits: ListenerLimits = LIMITS,
    observation: Observation = UNOBSERVED,
) -> None:
    """Write bootstrap and listeners; routes and clusters only where there are none yet, for they belong to releases.

    With TLS only the encrypted listener is on the endpoint's host: the plain one is for this machine's own processes.
    """
    write_private(files.bootstrap, json.dumps(bootstrap(files, admin_socket, observation), indent=1))
    listeners = [listener(files, endpoint.port, limits, HOST if tls else endpoint.host, observation=observation)]
    if tls:
        listeners.append(listener(files, tls.port, limits, endpoint.host, tls, observation))
    publish(files.listeners, LISTENER, listeners)
    if not files.clusters.exists():
        publish(files.clusters, CLUSTER, [])
    if not files.routes.exists():
        publish(files.routes, ROUTES, [route_table([])])


def route_table(routes: list[dict[str, Any]]) -> dict[str, Any]:
    """The route table of the endpoint: one virtual host for any host name, with these routes."""
    return {"name": ROUTE_TABLE, "virtual_hosts": [{"name": ROUTE_TABLE, "domains": ["*"], "routes": routes}]}


def bootstrap(files: EnvoyFiles, admin_socket: Path, observation: Observation = UNOBSERVED) -> dict[str, Any]:
    """What Envoy is started with."""
    return {
        # File discovery needs an identity, although nobody asks for it.
        "node": {"id": "tidewheel", "cluster": "tidewheel"},
        # A user who may write to it may drain the listeners: a file that only its owner may open, no port.
        "admin": {"address": {"pipe": {"path": str(admin_socket), "mode": OWNER_ONLY}}},
        # Histograms are brought up to date this often: the guard of a release reads them every few seconds.
        "stats_flush_interval": "0.5s",
        "dynamic_resources": {
            "lds_config": _watched(files.listeners),
            "cds_config": _watched(files.clusters),
        },
        **observation.of_bootstrap(),
    }


def listener(
    files: EnvoyFiles,
    port: int,
    limits: ListenerLimits,
    host: str = HOST,
    tls: Tls | None = None,
    observation: Observation = UNOBSERVED,
) -> dict[str, Any]:
    """The endpoint: answers /healthz itself, routes by the route table, and says in JSON what it cannot do."""
    health = {
        "name": "envoy.filters.http.health_check",
        "typed_config": {
            "@type": "type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck",
            "pass_through_mode": False,
            "headers": [HEALTH],
        },
    }
    router = {
        "name": "envoy.filters.http.router",
        "typed_config": {"@type": "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"},
    }
    connection = {
        "@type": (
            "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
        ),
        "stat_prefix": ROUTE_TABLE,
        "rds": {"route_config_name": ROUTE_TABLE, "config_source": _watched(files.routes)},
        "http_filters": [health, _headers_of_ours(), router],
        "local_reply_config": _local_replies(),
        **limits.of_http(),
        **observation.of_connection_manager(),
    }
    manager = {"name": "envoy.filters.network.http_connection_manager", "typed_config": connection}
    chain: dict[str, Any] = {"filters": [limits.filter(), manager]}
    if tls:
        chain["transport_socket"] = _transport(tls)
        chain["transport_socket_connect_timeout"] = f"{limits.handshake_seconds}s"
    name = f"{ROUTE_TABLE}-tls" if tls else ROUTE_TABLE
    return {"name": name, "address": _address(port, host), "filter_chains": [chain]}


def _headers_of_ours() -> dict[str, Any]:
    """Takes from a request what only the platform may say.

    With Envoy's own headers a caller could set the timeout and the retries of its request, and so have a healthy
    version fail as often as its guard needs to take it back.
    """
    kind = "type.googleapis.com/envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"
    removed = [
        {"remove_on_match": {"key_matcher": {"prefix": "x-envoy-", "ignore_case": True}}},
        {"remove": COPY_HEADER},
    ]
    return {
        "name": "envoy.filters.http.header_mutation",
        "typed_config": {"@type": kind, "mutations": {"request_mutations": removed}},
    }


def _transport(tls: Tls) -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    files = {"certificate_chain": {"filename": str(tls.certificate)}, "private_key": {"filename": str(tls.key)}}
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "tls_certificates": [files],
        "alpn_protocols": ["h2", "http/1.1"],
    }
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": kind, "common_tls_context": context}}


def _local_replies() -> dict[str, Any]:
    """How Envoy words what it answers by itself."""

    def status(comparison: str, code: int) -> dict[str, Any]:
        value = {"default_value": code, "runtime_key": "local_reply"}
        return {"status_code_filter": {"comparison": {"op": comparison, "value": value}}}

    error = {"json_format": {"status": "%RESPONSE_CODE%", "error": "%LOCAL_REPLY_BODY%", "path": "%REQ(:PATH)%"}}
    no_route = {"inline_string": "no model answers at this path"}
    health = {"header_filter": {"header": HEALTH}}
    return {
        "mappers": [
            {"filter": health, "body_format_override": {"json_format": {"status": "ok"}}},
            {"filter": status("EQ", 404), "body": no_route, "body_format_override": error},
            {"filter": status("GE", 400), "body_format_override": error},
        ]
    }


def _address(port: int, host: str = HOST) -> dict[str, Any]:
    return {"socket_address": {"address": host, "port_value": port}}


def _watched(path: Path) -> dict[str, Any]:
    return {"resource_api_version": "V3", "path_config_source": {"path": str(path)}}
