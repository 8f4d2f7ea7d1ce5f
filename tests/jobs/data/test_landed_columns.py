"""Groups are made of what was landed, too: joined by key and day, in the order of the rows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from jobs.data.landed_columns import with_landed_columns
from jobs.data.training_data import PARTITION, choose_training_data, labelled_rows
from jobs.evaluation.judging import ChallengerFacts, Judged, measure_judged
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.verdict import Outcome
from tidewheel.spec import find_pipeline

if TYPE_CHECKING:
    from tests.parcels import Parcels

MakeParcels = Callable[..., "Parcels"]
FAIR = """{roc_auc: 0.1}
  fairness:
    - {column: sex, figure: selection_rate, maximum_gap: 0.2, minimum_rows: 30}
    - {column: [carrier, sex], figure: recall, maximum_gap: 0.9, minimum_rows: 30}
    - {column: country, figure: bias, maximum_gap: 0.2}"""


def land(parcels: Parcels, day: date, **columns: list[object]) -> None:
    table = pa.table({"parcel": [f"{day}-{n:05}" for n in range(len(next(iter(columns.values()))))], **columns})
    parcels.lake.publish(parcels.lake.write_table("landing", str(day), table, {}, "test"))


def test_columns_are_joined_by_key_and_day_and_a_day_without_them_has_missing_values(
    make_parcels: MakeParcels,
) -> None:
    parcels = make_parcels()
    first, second = parcels.publish_days(2)
    land(parcels, first, sex=["f", "m", "f"], size=[1, 2, 3])
    declared = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    training = declared.training.model_copy(update={"minimum_rows": 10, "holdout_days": 1})
    pipeline = declared.model_copy(update={"training": training})
    holdout = choose_training_data(parcels.lake, pipeline, as_of=date(2024, 1, 4)).holdout
    rows = labelled_rows(parcels.lake, pipeline, holdout)
    assert set(rows[PARTITION]) == {str(second)}
    assert "sex" not in with_landed_columns(parcels.lake, rows, ["parcel"], rows[PARTITION], ["sex"])
    land(parcels, second, sex=["m"])
    shuffled = rows.sample(frac=1, random_state=0)
    found = with_landed_columns(parcels.lake, shuffled, ["parcel"], shuffled[PARTITION], ["sex", "carrier", "no"])
    assert found.index.tolist() == shuffled.index.tolist()
    assert list(found.columns) == [*rows.columns, "sex"]
    assert found.loc[found["sex"].notna(), ["parcel", "sex"]].to_numpy().tolist() == [[f"{second}-00000", "m"]]


def test_the_gate_judges_groups_of_columns_that_are_no_features(make_parcels: MakeParcels) -> None:
    parcels = make_parcels(floors=FAIR)
    days = parcels.publish_days(12)
    for day in days:
        land(parcels, day, sex=["f", "m"] * 60)
    pipeline = find_pipeline(parcels.settings.pipelines_folder, parcels.name)
    chosen = choose_training_data(parcels.lake, pipeline, as_of=days[-1])
    rows = labelled_rows(parcels.lake, pipeline, chosen.holdout)
    rows = with_landed_columns(parcels.lake, rows, pipeline.key, rows[PARTITION], sorted(pipeline.gate.columns))
    said = np.where(rows["sex"] == "m", 0.9, np.where(rows["weight"] > 0, 0.6, 0.2))
    measured = measure_judged(pipeline, Judged(rows, rows["late"].to_numpy(), said), ChallengerFacts("2"))
    verdict = GatePolicy.of(pipeline).decide(measured)
    assert verdict.outcome is Outcome.REFUSED
    assert "has a gap in selection_rate of " in verdict.sentence
    assert " between sex f (" in verdict.sentence
    by_name = {(gap.column, gap.figure): gap for gap in measured.gaps}
    assert by_name["sex", "selection_rate"].low > 0.2
    assert {"fast & m", "slow & m"} <= set(by_name["carrier & sex", "recall"].groups)
    assert by_name["country", "bias"].missing == "country"
    assert {"pr_auc", "f1", "accuracy"} <= measured.challenger.keys()
