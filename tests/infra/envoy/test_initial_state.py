"""Envoy before the first release, asked itself."""

from __future__ import annotations

import json
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.embedded import services
from infra.envoy.bootstrap import Address, Tls, route_table, write_initial_state
from infra.envoy.files import ROUTES, EnvoyFiles, publish
from tests.conftest import wait_until
from tests.free_ports import free_port
from tests.installation import port_variables


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> EnvoyFiles:
    return EnvoyFiles(tmp_path_factory.mktemp("envoy"))


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """A certificate for `localhost` that signs itself."""
    folder, key = tmp_path_factory.mktemp("tls"), ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    built = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    built = built.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    made = Tls(free_port(), folder / "certificate.pem", folder / "key.pem")
    made.certificate.write_bytes(built.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    made.key.write_bytes(key.private_bytes(*private))
    return made


@pytest.fixture(scope="module")
def endpoint(files: EnvoyFiles, tls: Tls) -> Iterator[httpx.Client]:
    """A client of a running Envoy."""
    ports = {name: int(port) for name, port in port_variables().items()}
    endpoint = ports["TIDEWHEEL_ENDPOINT_PORT"]
    write_initial_state(files, endpoint=Address(endpoint), admin_socket=files.folder / "admin.sock", tls=tls)
    process = subprocess.Popen(services.envoy(files).command, stderr=subprocess.DEVNULL)
    with httpx.Client(base_url=f"http://127.0.0.1:{endpoint}", trust_env=False) as client:
        wait_until(lambda: answers(client), "Envoy answers")
        yield client
    process.terminate()
    process.wait(10)


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").is_success
    except httpx.TransportError:
        return False


def test_it_answers_for_its_own_health(endpoint: httpx.Client) -> None:
    assert endpoint.get("/healthz").json() == {"status": "ok"}


@pytest.mark.usefixtures("endpoint")
def test_with_a_certificate_it_also_answers_encrypted(tls: Tls) -> None:
    context = ssl.create_default_context(cafile=str(tls.certificate))
    with httpx.Client(base_url=f"https://localhost:{tls.port}", verify=context, trust_env=False) as client:
        assert client.get("/healthz").json() == {"status": "ok"}
    assert not answers(httpx.Client(base_url=f"http://localhost:{tls.port}", trust_env=False))


def test_a_path_without_a_model_is_a_404_in_json_that_names_the_path(endpoint: httpx.Client) -> None:
    answer = endpoint.get('/delays/predict?day="today"')
    assert answer.status_code == 404
    assert answer.json() == {
        "status": 404,
        "error": "no model answers at this path",
        "path": "/delays/predict?day=%22today%22",
    }


def test_routes_moved_into_place_are_followed_and_an_answer_is_passed_on_as_it_is(
    endpoint: httpx.Client, files: EnvoyFiles
) -> None:
    hello = {"match": {"path": "/hello"}, "direct_response": {"status": 200, "body": {"inline_string": "hello"}}}
    publish(files.routes, ROUTES, [route_table([hello])])
    wait_until(lambda: endpoint.get("/hello").is_success, "the new route is followed")
    assert endpoint.get("/hello").text == "hello"
    assert endpoint.get("/healthz").json() == {"status": "ok"}


def test_the_version_is_a_digest_of_the_content(files: EnvoyFiles, tmp_path: Path) -> None:
    first = publish(tmp_path / "rds.json", ROUTES, [route_table([])])
    assert publish(tmp_path / "rds.json", ROUTES, [route_table([])]) == first
    assert json.loads((tmp_path / "rds.json").read_text())["version_info"] == first
    assert publish(tmp_path / "rds.json", ROUTES, [route_table([{"match": {"prefix": "/"}}])]) != first
    assert [path.name for path in tmp_path.iterdir()] == ["rds.json"]


def test_a_restart_keeps_the_routes_and_clusters_of_releases(tmp_path: Path) -> None:
    files = EnvoyFiles(tmp_path)
    write_initial_state(files, endpoint=Address(1), admin_socket=tmp_path / "admin.sock")
    publish(files.routes, ROUTES, [route_table([{"match": {"prefix": "/"}}])])
    routes = files.routes.read_text()
    write_initial_state(files, endpoint=Address(3), admin_socket=tmp_path / "admin.sock")
    assert files.routes.read_text() == routes
    assert '"port_value": 3' in files.listeners.read_text()
