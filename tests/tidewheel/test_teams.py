"""Teams: one pool each, and a month's trainings against a quota."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import SettingsError
from tidewheel.ledger.training_costs import TrainingCost
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import Pipeline, load_pipeline
from tidewheel.teams import pool_name, quota_sentence, team_pools, team_uses

NOW = datetime(2026, 11, 28, 9, tzinfo=UTC)


def of_team(folder: Path, name: str, team: str) -> Pipeline:
    content = PIPELINE_FILE.replace("name: orders", f"name: {name}").replace("team: shop", f"team: {team}")
    (folder / f"{name}.yaml").write_text(content)
    return load_pipeline(folder / f"{name}.yaml")


def test_a_pool_has_a_name_that_metrics_may_hold() -> None:
    assert pool_name("Delay forecasting (NYC)") == "team-delay-forecasting-nyc"


def test_two_teams_whose_names_are_alike_share_the_slots_of_both() -> None:
    assert team_pools(Settings(team_slots={"Pricing": 2, "pricing!": 3, "Search": 1})) == {
        "team-pricing": 5,
        "team-search": 1,
    }


def test_slots_and_quotas_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_TEAM_SLOTS", '{"Pricing": 2}')
    monkeypatch.setenv("TIDEWHEEL_TEAM_CPU_SECONDS", '{"Pricing": 3600}')
    assert load_settings().team_slots == {"Pricing": 2}
    assert load_settings().team_cpu_seconds == {"Pricing": 3600}
    monkeypatch.setenv("TIDEWHEEL_TEAM_SLOTS", '{"Pricing": 0}')
    with pytest.raises(SettingsError, match="TEAM_SLOTS"):
        load_settings()


def test_what_a_team_has_used_is_the_sum_of_its_pipelines(tmp_path: Path) -> None:
    costs = {"alpha": TrainingCost(2, 100.0, 5.0), "beta": TrainingCost(1, 50.0), "gone": TrainingCost(9, 900.0)}
    settings = Settings(team_cpu_seconds={"Pricing": 150, "New": 10})
    named = (("alpha", "Pricing"), ("beta", "Pricing"), ("gamma", "Search"))
    uses = team_uses([of_team(tmp_path, *each) for each in named], costs, settings)
    assert list(uses) == ["New", "Pricing", "Search"]
    assert (uses["Pricing"].pipelines, uses["Pricing"].cost) == (2, TrainingCost(3, 150.0, 5.0))
    assert (uses["Search"].quota, uses["Search"].is_used_up) == (None, False)
    assert quota_sentence(uses["New"], NOW) == ""
    sentence = quota_sentence(uses["Pricing"], NOW)
    assert sentence.startswith("team Pricing has used 150 CPU seconds in 3 trainings in November 2026 (quota 150)")
    assert "TIDEWHEEL_TEAM_CPU_SECONDS" in sentence
