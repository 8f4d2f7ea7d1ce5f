"""Policies by name."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from jobs.replay.policies import Declared, Fixed, parse_policy, spread
from tests.jobs.replay.conftest import DECLARED
from tidewheel.errors import UsageError
from tidewheel.partitions import PartitionRange
from tidewheel.spec import Pipeline

PLAYED = PartitionRange(date(2024, 2, 1), date(2024, 2, 28))


def test_weekly_trains_every_seven_days_after_the_first_model(parcels: Pipeline) -> None:
    policy = parse_policy("weekly", parcels, PLAYED).make(0)

    assert isinstance(policy, Fixed)
    assert policy.name == "every:7d"
    # the first model is trained as of 31 January; the last would predict no day that is played
    assert sorted(policy.days) == [date(2024, 2, 7), date(2024, 2, 14), date(2024, 2, 21)]


def test_frozen_never_trains_again(parcels: Pipeline) -> None:
    assert parse_policy("frozen", parcels, PLAYED).make(0) == Fixed("frozen", parcels)


@given(fits=st.integers(1, 28))
def test_equal_fits_as_many_models_as_spec_evenly_spread(fits: int) -> None:
    days = sorted(spread(PLAYED, fits))

    assert len(days) == fits - 1  # the first model comes before them
    gaps = [(b - a).days for a, b in zip([date(2024, 1, 31), *days], [*days, PLAYED.last], strict=True)]
    assert max(gaps) - min(gaps) <= 1


def test_equal_waits_for_what_spec_did(parcels: Pipeline) -> None:
    asked = parse_policy("equal", parcels, PLAYED)

    assert asked.waits
    assert asked.make(4) == Fixed("equal", parcels, spread(PLAYED, 4))


def test_another_pipeline_file_is_a_policy(parcels: Pipeline, tmp_path: Path) -> None:
    draft = tmp_path / "parcels.yaml"
    YAML().dump({**DECLARED, "triggers": {"every_days": 30}}, draft)

    policy = parse_policy(str(draft), parcels, PLAYED).make(0)

    assert isinstance(policy, Declared)
    assert policy.pipeline.triggers.every_days == 30


def test_a_file_of_another_model_is_refused(parcels: Pipeline, tmp_path: Path) -> None:
    draft = tmp_path / "parcels.yaml"
    YAML().dump({**DECLARED, "labels": {**DECLARED["labels"], "delay_days": 1}}, draft)  # type: ignore[dict-item]

    with pytest.raises(UsageError, match="its labels differ from those of parcels"):
        parse_policy(str(draft), parcels, PLAYED)


@pytest.mark.parametrize("text", ["wekly", "every:0d", "every:7", "best"])
def test_an_unknown_policy_is_refused_with_what_is_expected(parcels: Pipeline, text: str) -> None:
    with pytest.raises(UsageError, match=f"policy '{text}' is none: expected spec, frozen, equal"):
        parse_policy(text, parcels, PLAYED)
