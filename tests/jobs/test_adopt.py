"""Versions that were trained before the ledger kept digests are adopted by an operator, once, and never by a tag."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import delete
from typer.testing import CliRunner

from jobs.models import registry
from jobs.models.files import Untrusted
from tests.known_versions import by_hand
from tidewheel.cli.app import app
from tidewheel.errors import ExitCode
from tidewheel.ledger.audit import Act, entries
from tidewheel.ledger.tables import ModelVersionRow, PromotionRow

if TYPE_CHECKING:
    from tests.parcels import Parcels
    from tidewheel.runs import JobRecord

RunJob = Callable[..., "JobRecord"]
LAST = date(2024, 1, 12)
FACTS = ("mlflow_run", "source", "run_id", "data_hash", "as_of", "train_start", "train_end", "judged_train_end")


def facts(parcels: Parcels) -> dict[str, object]:
    row = registry.trained_version(parcels.settings, parcels.name, "1")
    return {name: getattr(row, name) for name in (*FACTS, "files")}


def test_a_judged_version_is_adopted_as_the_lake_records_it_and_scores_again(
    registered_parcels: Callable[..., Parcels], run_job: RunJob, caplog: pytest.LogCaptureFixture
) -> None:
    parcels = registered_parcels()
    parcels.publish_days(12)
    for job in ("assemble", "train", "evaluate", "promote"):
        run_job(parcels, job, LAST, "one")
    before = facts(parcels)
    with parcels.ledger.session() as session:  # as an installation looks that has just been upgraded
        session.execute(delete(ModelVersionRow))
        session.execute(delete(PromotionRow))
    forged = registry.model_version(parcels.settings, parcels.name, "1")
    registry.tag_version(parcels.settings, forged, {registry.ESTIMATOR: "os:system", registry.TRAIN_END: "2020-01-01"})
    by_hand(parcels)
    with pytest.raises(SystemExit) as refused:
        run_job(parcels, "score", LAST, "night")
    assert refused.value.code == ExitCode.DATA_REFUSED
    assert f"`tidewheel adopt {parcels.name} --version 1`" in caplog.text

    adopted = run_job(parcels, "adopt", LAST, "once", "--actor=anna@desk")
    assert adopted.figures == {"adopted": 1, "left_out": 0}
    assert facts(parcels) == before
    assert registry.trained_version(parcels.settings, parcels.name, "1").adopted_by == "anna@desk"
    [entry] = [entry for entry in entries(parcels.ledger, parcels.name) if entry.kind == Act.ADOPTION]
    assert (entry.subject, entry.actor) == ("version 1", "anna@desk")
    assert run_job(parcels, "score", LAST, "night").figures["rows"] == 120
    with pytest.raises(Untrusted):
        registry.trained_version(parcels.settings, parcels.name, "2")
    said = CliRunner().invoke(app, ["adopt", parcels.name, "--version", "2"])
    assert said.exit_code == ExitCode.WRONG_USAGE
    assert adopted.sentence == "in the ledger now: version 1"
