"""What a reviewer says is written down where the next person looks: in the ledger and on the version in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import pytest

from jobs.models import registry
from tests.known_versions import register
from tidewheel.errors import ExitCode
from tidewheel.policies.verdict import Kind, Outcome

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

DAY = date(2024, 1, 13)
Promote = Callable[..., "JobRecord"]


@pytest.fixture
def parcels(registered_parcels: Callable[..., Parcels]) -> Parcels:
    """A pipeline whose version 1 has passed the gate."""
    parcels = registered_parcels()
    register(parcels, Outcome.PASSED)
    return parcels


@pytest.fixture
def promote(parcels: Parcels, run_job: Callable[..., JobRecord]) -> Promote:
    return lambda *options: run_job(parcels, "promote", DAY, "run", "--version=1", *options)


def review_of(parcels: Parcels) -> tuple[list[tuple[str, str]], dict[str, str]]:
    """Outcome and sentence of every review in the ledger, and what the version's tags say of it."""
    tags = registry.model_version(parcels.settings, parcels.name, "1").tags
    kept = {key: tags[key] for key in (registry.REVIEW, registry.REVIEWER, registry.REVIEW_REASON) if tags.get(key)}
    return [(row.outcome, row.sentence) for row in parcels.ledger.verdicts(parcels.name, Kind.REVIEW)], kept


def test_an_approval_promotes_and_says_who_and_why(parcels: Parcels, promote: Promote) -> None:
    for _ in range(2):  # a task that is cleared says it again
        promote("--review=approve", "--reviewer=anna", "--review-reason=fine for the summer")
    champion = registry.champion(parcels.settings, parcels.name)
    assert champion is not None
    assert champion.version == "1"
    assert review_of(parcels) == (
        [("passed", "approved by anna: fine for the summer")],
        {
            registry.REVIEW: "approved",
            registry.REVIEWER: "anna",
            registry.REVIEW_REASON: "fine for the summer",
        },
    )


def test_a_rejection_is_written_down_and_skips_the_promotion(parcels: Parcels, promote: Promote) -> None:
    record = promote("--review=reject", "--reviewer=anna", "--review-reason=too slow at Christmas")
    assert record.figures["skipped"] is True
    assert record.sentence == "version 1 is rejected by anna: too slow at Christmas"
    assert registry.champion(parcels.settings, parcels.name) is None
    assert review_of(parcels)[0] == [("refused", "rejected by anna: too slow at Christmas")]


def test_silence_is_a_rejection_by_nobody(parcels: Parcels, promote: Promote) -> None:
    assert promote("--review=reject").sentence == "version 1 is rejected: nobody answered in time"
    assert review_of(parcels) == (
        [("refused", "rejected: nobody answered in time")],
        {registry.REVIEW: "rejected"},
    )


def test_a_rejected_version_stays_rejected_until_it_is_approved_anew_whatever_reason_is_given(
    parcels: Parcels, promote: Promote, caplog: pytest.LogCaptureFixture
) -> None:
    promote("--review=reject", "--reviewer=anna")
    for options in ([], ["--override-reason=I know better"]):
        with pytest.raises(SystemExit) as refused:
            promote(*options)
        assert refused.value.code == ExitCode.WRONG_USAGE
    assert "version 1 was rejected in review by anna; a reason is no approval" in caplog.text
    assert f"`tidewheel approve {parcels.name} --version 1 --reason ...`" in caplog.text
    assert promote("--review=approve", "--reviewer=anna").figures["promoted"] is True
