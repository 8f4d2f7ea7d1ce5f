"""What a caller sees at the router: prefixes, documentation, the listing, and that all of it survives."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from infra.embedded import services
from infra.embedded.platform import start_supervisord
from tests.conftest import wait_until
from tests.infra.local.conftest import House, Place, answers
from tests.infra.local.test_release import release
from tidewheel.errors import ReleaseError
from tidewheel.release.stages import Colour

pytestmark = [pytest.mark.platform]


def test_the_documentation_works_below_the_prefix(place: Place, house: House) -> None:
    release(place, "1")
    with httpx.Client(base_url=house.endpoint_url, follow_redirects=True) as client:
        page = client.get(f"/{place.pipeline.name}")
        assert page.url.path == f"/{place.pipeline.name}/", "with the slash, relative addresses are right"
        assert "./docs.json" in page.text
        document = client.get(page.url.join("./docs.json")).json()
        server = page.url.join(document["servers"][0]["url"])
        example = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
        answer = client.post(server.join("./predict"), json=example, headers={"x-request-id": "mine"}).json()
        assert (answer["model_version"], answer["colour"], answer["request_id"]) == ("1", "blue", "mine")
        for path in ("static_content/swagger-ui-bundle.js", "static_content/swagger-ui.css", "readyz", "metrics"):
            assert client.get(page.url.join(f"./{path}")).status_code == 200, path


def test_the_root_lists_what_answers_and_an_unknown_path_says_so(place: Place, house: House) -> None:
    release(place, "1")
    listed = {each["name"]: each for each in httpx.get(house.endpoint_url).json()["pipelines"]}
    name = place.pipeline.name
    assert listed[name] == {
        "name": name,
        "version": "1",
        "colour": "blue",
        "predict": f"/{name}/predict",
        "docs": f"/{name}/",
    }
    missing = httpx.get(f"{house.endpoint_url}/nobody/predict")
    assert (missing.status_code, missing.json()["error"]) == (404, "no model answers at this path")


def test_bentomls_own_client_asks_a_colour_and_the_pipeline_below_its_prefix(place: Place) -> None:
    release(place, "1")
    script = (
        "import sys, bentoml\n"
        "for url in sys.argv[1:]:\n"
        "    with bentoml.SyncHTTPClient(url) as client:\n"
        "        print(client.predict(rows=[{'weight': 1.0, 'distance': 100.0, 'carrier': 'fast'}]))"
    )
    command = [sys.executable, "-c", script, place.backend.address(Colour.BLUE), place.backend.endpoint()]
    # a process of its own, because importing bentoml warns
    asked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert asked.stdout.count("'model_version': '1'") == 2, asked.stderr


def test_a_live_colour_cannot_be_stopped_or_replaced(place: Place, house: House) -> None:
    release(place, "1")
    with pytest.raises(ReleaseError, match="it must not be stopped"):
        place.backend.stop(Colour.BLUE)
    with pytest.raises(ReleaseError, match="it must not be stopped"):
        place.backend.start(Colour.BLUE, house.artifacts["2"], 1)
    assert place.predict()["model_version"] == "1"


def test_a_model_service_has_nobodys_secrets_in_its_environment(place: Place, house: House) -> None:
    release(place, "1")
    pid = house.supervisor.status(f"{place.pipeline.name}-blue").pid
    environment = Path(f"/proc/{pid}/environ").read_text()
    assert "TIDEWHEEL_COLOUR=blue" in environment
    assert "s3cret" not in environment


def test_a_live_colour_that_is_killed_comes_back_by_itself(place: Place, house: House) -> None:
    release(place, "1")
    pid = house.supervisor.status(f"{place.pipeline.name}-blue").pid
    os.kill(pid, signal.SIGKILL)
    url = f"{place.backend.endpoint()}/readyz"
    wait_until(lambda: not answers(url), "it is gone")
    wait_until(lambda: answers(url), "it is back")
    assert place.predict()["model_version"] == "1"


def test_after_a_restart_of_the_machine_the_live_colour_and_its_routes_are_back(place: Place, house: House) -> None:
    release(place, "2")
    house.supervisor.shutdown()
    assert not answers(f"{house.endpoint_url}/healthz")
    start_supervisord(house.layout, {"PATH": os.environ["PATH"]})
    house.supervisor.start(services.ENVOY)
    wait_until(lambda: answers(f"{place.backend.endpoint()}/readyz"), "the endpoint is back")
    assert place.predict()["model_version"] == "2"
