"""Where the URL of a channel comes from, and that it is never repeated."""

from __future__ import annotations

import httpx
import pytest

from tidewheel.airflow_api import AirflowApi
from tidewheel.alerts.channels import url_of, without_secrets
from tidewheel.errors import PlatformError, SettingsError
from tidewheel.settings import Settings
from tidewheel.spec.alerts import Channel

VARIABLES = {"shop_slack": "https://hooks.example/4711", "shop_token": "***"}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An installation whose Airflow has some Variables, one with a name that makes it hide the value."""

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/token":
            return httpx.Response(201, json={"access_token": "valid"})
        key = request.url.path.removeprefix("/api/v2/variables/")
        found = VARIABLES.get(key)
        return httpx.Response(200, json={"key": key, "value": found}) if found else httpx.Response(404, json={})

    def opened(_: Settings) -> AirflowApi:
        return AirflowApi("http://airflow.example", "admin", "right", transport=httpx.MockTransport(answer))

    monkeypatch.setattr(AirflowApi, "open", opened)
    return Settings()


def test_a_url_comes_from_the_environment_or_from_an_airflow_variable(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_HOOK", " https://hooks.example/1\n")
    assert url_of(Channel(url_variable="SHOP_HOOK").address, settings) == "https://hooks.example/1"
    assert url_of(Channel(airflow_variable="shop_slack").address, settings) == VARIABLES["shop_slack"]


def test_a_variable_that_is_missing_or_hidden_says_what_to_do(settings: Settings) -> None:
    with pytest.raises(SettingsError, match="Airflow Variable none is not set; expected an Apprise URL"):
        url_of(Channel(airflow_variable="none").address, settings)
    with pytest.raises(PlatformError, match=r"hides the value of its Variable 'shop_token'.* another name"):
        url_of(Channel(airflow_variable="shop_token").address, settings)


def test_what_a_channel_says_is_one_short_line_without_its_url() -> None:
    url = "https://user:pass%20word@hooks.example/T123/s3cr3t?key=abcdef"
    said = f"no route to hooks.example\nfor {url}, with s3cr3t and abcdef, user pass%20word {'x' * 1_000}"
    found = without_secrets(said, url)
    assert not any(part in found for part in ("hooks.example", "s3cr3t", "abcdef", "word", "T123", "\n"))
    assert found.startswith("no route to *** for ")
    assert len(found) == 300
