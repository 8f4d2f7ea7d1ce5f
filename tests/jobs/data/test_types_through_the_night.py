"""Any table, from its landing to a served prediction: each value as it was, or a refusal that names the column."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings

from bentos.contract import CONTRACT
from bentos.endpoint import Endpoint
from bentos.loaded_model import LoadedModel
from bentos.packaged import FACTS, MODEL
from bentos.settings import EndpointSettings
from jobs.data.spark import spark_session
from jobs.data.table_judge import TableJudge
from jobs.data.training_data import labelled_days, labelled_rows
from jobs.models.contract import write_contract
from jobs.models.prediction import model_frame
from jobs.models.scorer import Scorer, packed
from jobs.packaging.bento import service_facts
from jobs.packaging.compile import comparison_frame, compile_model
from jobs.training.estimators import build_model, settle_for_prediction
from tests.bentos.conftest import unknown
from tests.jobs.data.drawn_tables import ROWS, DrawnColumn, columns, plain
from tests.jobs.data.one_night import SOURCE, OneNight
from tidewheel.spec.training import Training

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from jobs.data.feature_inputs import FeatureInputs
    from tidewheel.lake import Manifest

pytestmark = [pytest.mark.spark, pytest.mark.slow]
DAYS = (date(2026, 1, 1), date(2026, 1, 2))
OURS = ("id", "at", "label", "base")
SEEN: dict[str, list[Any]] = {}


@pytest.fixture(scope="module")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    session = spark_session(OneNight(tmp_path_factory.mktemp("spark")).settings, "night")
    yield session
    session.stop()


NEVER_A_VALUE = [
    DrawnColumn(str(kind), kind, (pa.nulls(ROWS, kind), pa.nulls(ROWS, kind)))
    for kind in (pa.string(), pa.date32(), pa.float64(), pa.null())
]


@settings(
    max_examples=7,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@example(drawn=NEVER_A_VALUE)
@given(drawn=columns())
def test_any_column_goes_through_the_whole_night_or_is_refused_when_it_is_landed(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, drawn: list[DrawnColumn]
) -> None:
    night = OneNight(tmp_path_factory.mktemp("night"), numeric=["base"])
    landed = _land(night, [column for column in drawn if column.name.casefold() not in OURS])
    tables = [night.landed(day) for day in DAYS]
    for table, place in zip(tables, (0, 1), strict=True):
        _same_values(table, landed, place)
        _true_rules_hold(night, table)
    night.numeric, night.categorical = _features(tables)
    made = [night.features(spark, [day], _seeing)[0] for day in DAYS]
    for column in landed:  # what the transform of the second day has seen, of both days
        expected = [plain(value) for array in column.days for value in array.to_pylist()]
        assert [plain(value) for value in SEEN[column.name]] == expected, column
    features = night.lake.read(made[1])
    for name in night.numeric:
        expected = [None if value is None else float(value) for value in tables[1][name].to_pylist()]
        assert [plain(value) for value in features[name].to_pylist()] == [plain(value) for value in expected], name
    for name in (name for name in night.categorical if pa.types.is_string(tables[1][name].type)):
        assert features[name].to_pylist() == tables[1][name].to_pylist(), name
    _serve(night, made, tmp_path_factory.mktemp("packaged"))


def _put(drawn: list[DrawnColumn]) -> None:
    for place, day in enumerate(DAYS):
        ids = pa.array(range(ROWS), pa.uint32())
        start = datetime(day.year, day.month, day.day)
        table = {"id": ids, "at": [start + timedelta(hours=n) for n in range(ROWS)], "base": range(ROWS)}
        SOURCE["rows", day] = pa.table({**table, **{column.name: column.days[place] for column in drawn}})
        SOURCE["labels", day] = pa.table({"id": [str(n) for n in range(ROWS)], "label": [n % 2 for n in range(ROWS)]})
    # labels of the second day are known on the third
    SOURCE["rows", DAYS[1] + timedelta(days=1)] = SOURCE["rows", DAYS[1]].set_column(
        1, "at", pa.array([datetime(2026, 1, 3)] * ROWS)
    )


def _land(night: OneNight, drawn: list[DrawnColumn]) -> list[DrawnColumn]:
    """Land night by night; a refusal must name a column, which is then left out as the message asks."""
    while True:
        _put(drawn)
        for day in (*DAYS, DAYS[1] + timedelta(days=1)):
            refused = night.land(day).refused
            if refused is None:
                continue
            named = [column for column in drawn if repr(column.name) in refused]
            assert named, refused
            assert "one_night:rows" in refused
            drawn = [column for column in drawn if column is not named[0]]
            break
        else:
            return drawn


def _same_values(table: pa.Table, landed: list[DrawnColumn], place: int) -> None:
    for column in landed:
        expected = [plain(value) for value in column.days[place].to_pylist()]
        assert [plain(value) for value in table[column.name].to_pylist()] == expected, column


def _true_rules_hold(night: OneNight, table: pa.Table) -> None:
    of_type = "expect_column_values_to_be_of_type"
    rules = [{"type": of_type, "kwargs": {"column": field.name, "type_": str(field.type)}} for field in table.schema]
    rules += [{"type": "expect_column_values_to_be_unique", "kwargs": {"column": "id"}}]
    rules += [
        {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": name, "mostly": 0.0}}
        for name in table.column_names
    ]
    suite = night.folder / "suite.json"
    suite.write_text(json.dumps({"name": "suite", "expectations": rules, "meta": {}}))
    findings = TableJudge(suite).judge(table)
    assert [finding.sentence for finding in findings if not finding.passed or not finding.computed] == []


def _features(tables: list[pa.Table]) -> tuple[list[str], list[str]]:
    kinds = {field.name: field.type for field in tables[1].schema if field.name not in ("id", "at")}
    is_number = (pa.types.is_integer, pa.types.is_floating, pa.types.is_decimal, pa.types.is_boolean, pa.types.is_null)
    is_text = (pa.types.is_string, pa.types.is_date, pa.types.is_time)
    numeric = [name for name, kind in kinds.items() if any(test(kind) for test in is_number)]
    return numeric, [name for name in kinds if any(test(kinds[name]) for test in is_text)]


def _seeing(inputs: FeatureInputs) -> DataFrame:
    """A transform that remembers what it was given, in the order of day and key."""
    from pyspark.sql import functions as F

    seen = inputs.rows.where(F.col("partition") <= str(DAYS[1])).orderBy("partition", "id").toArrow()
    SEEN.update({name: seen[name].to_pylist() for name in seen.column_names})
    return inputs.rows.where(inputs.is_asked)


def _serve(night: OneNight, made: list[Manifest], folder: Path) -> None:
    """Train on both days, score the second in the batch, and ask the endpoint for the same rows."""
    pipeline = night.pipeline
    days, _ = labelled_days(night.lake, pipeline, DAYS[1])
    rows = labelled_rows(night.lake, pipeline, days)
    assert len(rows) == ROWS * len(days) == ROWS * 2
    frame = model_frame(rows, pipeline.features)
    never = [name for name in pipeline.features.numeric if frame[name].isna().all()]
    training = Training(parameters={"max_iter": 5, "min_samples_leaf": 2})
    model = build_model(training, pipeline.features, pipeline.task, never).fit(frame, rows["label"])
    settle_for_prediction(model)
    contract = write_contract("night", pipeline.task, pipeline.features, frame, model)
    options = {
        "lake_root": night.settings.lake_root,
        "lake_options": {},
        "folder": night.lake.fresh_folder("predictions"),
    }
    scorer = Scorer(packed(model), contract, pipeline.task, "1", ("id", "at"), **options)  # type: ignore[arg-type]
    scored, _ = scorer.score_file(night.lake.files(made[1])[0])
    predictions = night.lake.read(night.lake.stage("predictions", str(DAYS[1]), [scored], {}, "test"))

    compiled = compile_model(model, contract, comparison_frame(contract, 50))
    (folder / CONTRACT).write_text(contract.model_dump_json())
    (folder / FACTS).write_text(json.dumps(service_facts(pipeline, "1") | {"format": compiled.format}))
    (folder / MODEL).write_bytes(compiled.content)
    served = LoadedModel.open(folder)
    wanted = night.lake.read(made[1], [*pipeline.features.columns]).to_pandas()
    asked = model_frame(wanted, pipeline.features).astype(object)
    answer = _ask(served, asked.where(asked.notna(), None).to_dict("records"))
    assert answer["predictions"] == pytest.approx(predictions["prediction"].to_pylist(), abs=1e-5)


def _ask(served: LoadedModel, rows: list[dict[Any, Any]]) -> dict[str, Any]:
    async def ask() -> httpx.Response:
        endpoint = Endpoint(unknown, lambda: served, EndpointSettings())
        transport = httpx.ASGITransport(endpoint)  # type: ignore[arg-type]
        async with httpx.AsyncClient(transport=transport, base_url="http://model") as client:
            return await client.post("/predict", json={"rows": rows})

    answered = asyncio.run(ask())
    assert answered.is_success, answered.text
    found: dict[str, Any] = answered.json()
    return found
