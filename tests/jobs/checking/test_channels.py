"""`tidewheel validate` looks at the channels of alerts, as far as this environment holds their URLs."""

from __future__ import annotations

from pathlib import Path

import pytest

from jobs.checking.channels import channel_doubts, channel_mistakes
from tests.pipelines import PIPELINE_FILE
from tidewheel.spec import Pipeline, load_pipeline


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    file = tmp_path / "orders.yaml"
    file.write_text(f"{PIPELINE_FILE}alerts: {{channels: {{team: {{url_variable: SHOP_HOOK}}}}}}\n")
    return load_pipeline(file)


@pytest.mark.parametrize("url", ["ftp://hooks.example/token-4711", "hooks.example/token-4711", "https://"])
def test_a_wrong_url_is_a_mistake_and_is_not_repeated(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SHOP_HOOK", url)
    [mistake] = channel_mistakes(pipeline)
    assert mistake.key == ("alerts", "channels", "team", "url_variable")
    assert mistake.said.startswith("environment variable SHOP_HOOK holds no URL that Apprise knows; expected")
    assert "4711" not in mistake.said
    assert list(channel_doubts(pipeline)) == []


@pytest.mark.parametrize("url", ["https://hooks.example/token-4711", "mailtos://user:word@smtp.example?to=a@b.example"])
def test_a_url_that_can_be_used_is_right(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("SHOP_HOOK", url)
    assert [*channel_mistakes(pipeline), *channel_doubts(pipeline)] == []


def test_a_variable_that_is_not_set_here_is_a_doubt(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOP_HOOK", raising=False)
    assert list(channel_mistakes(pipeline)) == []
    [doubt] = channel_doubts(pipeline)
    assert "SHOP_HOOK is not set in this environment; the alerts service needs it in its own" in doubt.said
