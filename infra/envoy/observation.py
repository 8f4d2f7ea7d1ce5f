"""What Envoy logs and traces, by the variables that all processes go by: TIDEWHEEL_LOG_FORMAT and OTEL_*."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from tidewheel.errors import SettingsError
from tidewheel.logs import is_json
from tidewheel.tracing import is_on

COLLECTOR = "opentelemetry-collector"
"""Name of the collector's cluster, which no pipeline's has: they end in a colour."""
SERVICE = "tidewheel-endpoint"
PATH = "%PATH(NQ:ORIG_OR_PATH)%"
"""A request's path without its query, in which a caller may have put a key."""
CONNECT_SECONDS = 1
SEND_SECONDS = 2
ALWAYS, NEVER = 100.0, 0.0
SAMPLERS = {"always_on": ALWAYS, "always_off": NEVER}
RATIO = "traceidratio"
PARTS_OF_A_PERCENT = 10_000


@dataclass(frozen=True)
class Collector:
    """Where spans go to.

    Attributes:
        host: of the collector.
        port: of OTLP over HTTP.
        path: below which it takes spans.
        encrypted: whether it is called by https.
        headers: of each call, such as a key.
        percent: of the requests whose caller has not decided, how many are traced.
        service: `service.name`.
    """

    host: str
    port: int
    path: str
    encrypted: bool
    headers: Mapping[str, str]
    percent: float
    service: str = SERVICE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Collector | None:
        """The collector that OTEL_* variables name, None where none is.

        Raises:
            SettingsError: its address is no URL, or the sampler is none that Envoy can follow.
        """
        if not is_on(environment):
            return None
        traces = environment.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
        address = traces or environment["OTEL_EXPORTER_OTLP_ENDPOINT"]
        url = urlsplit(address)
        if url.scheme not in ("http", "https") or not url.hostname:
            name = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT" if traces else "OTEL_EXPORTER_OTLP_ENDPOINT"
            raise SettingsError(f"{name} is not a URL of http or https: expected one such as http://collector:4318")
        encrypted = url.scheme == "https"
        given = environment.get("OTEL_EXPORTER_OTLP_TRACES_HEADERS") or environment.get("OTEL_EXPORTER_OTLP_HEADERS")
        pairs = (pair.partition("=") for pair in (given or "").split(",") if pair.strip())
        return cls(
            host=url.hostname,
            port=url.port or (443 if encrypted else 80),
            path=(url.path or "/") if traces else f"{url.path.rstrip('/')}/v1/traces",
            encrypted=encrypted,
            headers={name.strip().lower(): unquote(value.strip()) for name, _, value in pairs},
            percent=_percent(environment),
        )


@dataclass(frozen=True)
class Observation:
    """What Envoy logs and traces.

    Attributes:
        json: whether it logs as JSON, each request too.
        collector: where spans go to; None: there are none.
    """

    json: bool = False
    collector: Collector | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Observation:
        """What the environment asks for.

        Raises:
            SettingsError: see `Collector.from_environment`.
        """
        return cls(is_json(environment), Collector.from_environment(environment))

    def of_bootstrap(self) -> dict[str, Any]:
        """Parts of the bootstrap: the form of Envoy's own log, and the collector's cluster."""
        section: dict[str, Any] = {}
        if self.json:
            section["application_log_config"] = {"log_format": {"json_format": LOG_LINE}}
        if self.collector:
            section["static_resources"] = {"clusters": [_cluster(self.collector)]}
        return section

    def of_connection_manager(self) -> dict[str, Any]:
        """Parts of the HTTP connection manager: the access log, the tracer, and how requests get their id."""
        section: dict[str, Any] = {}
        if self.json:
            section["access_log"] = [_access_log()]
        if self.collector:
            section["tracing"] = _tracing(self.collector)
            kind = "type.googleapis.com/envoy.extensions.request_id.uuid.v3.UuidRequestIdConfig"
            # A caller's own id stays as it is, and one that is no UUID does not keep a request from being traced.
            config = {"@type": kind, "pack_trace_reason": False, "use_request_id_for_trace_sampling": False}
            section["request_id_extension"] = {"typed_config": config}
        return section


LOG_LINE = {"time": "%Y-%m-%dT%H:%M:%S.%eZ", "level": "%l", "logger": "envoy.%n", "message": "%j"}
"""Envoy's own log; the program runs in UTC, see `infra.embedded.services`."""
ACCESS_LINE = {
    "time": "%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%",
    "level": "info",
    "logger": "envoy.access",
    "message": f"%REQ(:METHOD)% {PATH} %RESPONSE_CODE%",
    "pipeline": "%ROUTE_NAME%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "trace_id": "%TRACE_ID%",
    "span_id": "%SPAN_ID%",
    "method": "%REQ(:METHOD)%",
    "path": PATH,
    "status": "%RESPONSE_CODE%",
    "milliseconds": "%DURATION%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "upstream": "%UPSTREAM_CLUSTER%",
    "flags": "%RESPONSE_FLAGS%",
}


def _access_log() -> dict[str, Any]:
    kind = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog"
    config = {"@type": kind, "log_format": {"json_format": ACCESS_LINE, "omit_empty_values": True}}
    # /healthz is requested every few seconds, and answered by Envoy itself.
    others: dict[str, Any] = {"not_health_check_filter": {}}
    return {"name": "envoy.access_loggers.stdout", "filter": others, "typed_config": config}


def _tracing(collector: Collector) -> dict[str, Any]:
    scheme = "https" if collector.encrypted else "http"
    service: dict[str, Any] = {
        "http_uri": {
            "uri": f"{scheme}://{collector.host}:{collector.port}{collector.path}",
            "cluster": COLLECTOR,
            "timeout": f"{SEND_SECONDS}s",
        },
        "request_headers_to_add": [
            {"header": {"key": name, "value": value}} for name, value in collector.headers.items()
        ],
    }
    config = {
        "@type": "type.googleapis.com/envoy.config.trace.v3.OpenTelemetryConfig",
        "http_service": service,
        "service_name": collector.service,
        "sampler": _sampler(collector.percent),
    }
    return {
        "provider": {"name": "envoy.tracers.opentelemetry", "typed_config": config},
        "custom_tags": [
            {"tag": "http.url", "value": PATH},  # in place of the URL with its query
            {"tag": "tidewheel.request_id", "value": "%REQ(X-REQUEST-ID)%"},
        ],
        "spawn_upstream_span": False,
    }


def _sampler(percent: float) -> dict[str, Any]:
    """Does as the caller does, and where there is none, traces a share of the traces."""
    kind = "envoy.extensions.tracers.opentelemetry.samplers.v3"
    share = {"numerator": round(percent * PARTS_OF_A_PERCENT), "denominator": "MILLION"}
    ratio = {
        "name": "envoy.tracers.opentelemetry.samplers.trace_id_ratio_based",
        "typed_config": {
            "@type": f"type.googleapis.com/{kind}.TraceIdRatioBasedSamplerConfig",
            "sampling_percentage": share,
        },
    }
    return {
        "name": "envoy.tracers.opentelemetry.samplers.parent_based",
        "typed_config": {"@type": f"type.googleapis.com/{kind}.ParentBasedSamplerConfig", "wrapped_sampler": ratio},
    }


def _cluster(collector: Collector) -> dict[str, Any]:
    address = {"socket_address": {"address": collector.host, "port_value": collector.port}}
    cluster: dict[str, Any] = {
        "name": COLLECTOR,
        "type": "STRICT_DNS",
        "connect_timeout": f"{CONNECT_SECONDS}s",
        "load_assignment": {
            "cluster_name": COLLECTOR,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    if collector.encrypted:
        kind = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext"
        cluster["transport_socket"] = {
            "name": "envoy.transport_sockets.tls",
            "typed_config": {"@type": kind, "sni": collector.host, "common_tls_context": _authorities(collector.host)},
        }
    return cluster


def _authorities(host: str) -> dict[str, Any]:
    """Trusts whom this machine trusts, for this host alone."""
    names = [{"san_type": "DNS", "matcher": {"exact": host}}]
    certificates = {"filename": "/etc/ssl/certs/ca-certificates.crt"}
    return {"validation_context": {"trusted_ca": certificates, "match_typed_subject_alt_names": names}}


def _percent(environment: Mapping[str, str]) -> float:
    """The share of OTEL_TRACES_SAMPLER; the standard's default is all."""
    name = environment.get("OTEL_TRACES_SAMPLER") or "always_on"
    kind = name.removeprefix("parentbased_")
    if kind in SAMPLERS:
        return SAMPLERS[kind]
    if kind != RATIO:
        expected = ", ".join(f"parentbased_{each}" for each in (*SAMPLERS, RATIO))
        raise SettingsError(f"OTEL_TRACES_SAMPLER is {name!r}: expected one of {expected}")
    given = environment.get("OTEL_TRACES_SAMPLER_ARG") or "1"
    try:
        share = float(given)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise SettingsError(f"OTEL_TRACES_SAMPLER_ARG is {given!r}: expected a share from 0 to 1, such as 0.01")
    return 100 * share
