"""Fitting again through the newest day: what serves is fresh, what is judged has not seen the days it is judged on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from jobs.models import registry
from jobs.reproduce import reproduce

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
MakeParcels = Callable[..., "Parcels"]


def test_the_refit_serves_its_twin_is_judged_and_the_next_challenger_is_compared_on_whole_holdouts(
    registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels(refit="always")
    days = parcels.publish_days(13)
    for day, run_id in ((days[11], "one"), (days[12], "two")):
        for job in ("assemble", "train", "evaluate"):
            record = run_job(parcels, job, day, run_id)
        if run_id == "one":
            run_job(parcels, "promote", day, run_id)

    first, second = (registry.trained_version(parcels.settings, parcels.name, n) for n in "12")
    assert first.train_end == "2024-01-10"  # the newest day that had matured
    assert first.judged_train_end == "2024-01-07"
    assert "fitted again through 2024-01-10" in first.refit
    # days 9 and 10 are known to version 1, but not to its twin
    assert record.figures["days"] == 3
    assert "against" in record.sentence
    assert (
        "Fitted again through 2024-01-11"
        in registry.connect(parcels.settings).get_model_version(parcels.name, "2").description
    )

    serving = registry.load_model(parcels.settings, parcels.name, "2")
    judged = registry.load_judged_model(parcels.settings, second)
    assert serving[-1].n_iter_ == judged[-1].n_iter_
    found = reproduce(parcels.settings, parcels.name, "2")
    assert (found.same, found.rows) == (True, 11 * 120)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_a_refit_that_the_newest_days_have_spoiled_is_not_used(
    task: str, registered_parcels: MakeParcels, run_job: RunJob
) -> None:
    parcels = registered_parcels(refit="always", task=task, floors="{}")
    days = parcels.publish_days(8)
    broken = parcels.publish_days(5, first=days[-1] + timedelta(days=1), signal=-6.0, rows=900)

    run_job(parcels, "assemble", broken[-1], "one")
    trained = run_job(parcels, "train", broken[-1], "one")
    assert "the refit through 2024-01-11 is not used" in trained.sentence
    version = registry.trained_version(parcels.settings, parcels.name, "1")
    assert version.train_end == "2024-01-08"
    assert version.judged_train_end == ""
