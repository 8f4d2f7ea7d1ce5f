"""The sample data of a new pipeline: plausible on any date, and worth learning from."""

from __future__ import annotations

import importlib.util
from datetime import date, timedelta
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from tidewheel.scaffold import plan_pipeline


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    path = tmp_path_factory.mktemp("code") / "reader.py"
    path.write_text(plan_pipeline("shop").files[Path("jobs/pipelines/shop/reader.py")])
    spec = importlib.util.spec_from_file_location("sample_reader", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@settings(max_examples=30, deadline=None)
@given(day=st.dates(date(1970, 1, 1), date(2199, 12, 31)))
def test_any_day_has_its_own_orders_and_the_same_ones_each_time(reader: ModuleType, day: date) -> None:
    orders, returns = reader.orders(day), reader.returns(day)

    pd.testing.assert_frame_equal(orders, reader.orders(day))
    assert set(orders["ordered_at"].dt.date) == {day}
    assert orders["order_id"].is_unique
    assert list(returns["order_id"]) == list(orders["order_id"])
    assert "returned" not in orders
    assert 0.05 < returns["returned"].mean() < 0.6
    assert not orders.drop(columns="order_id").equals(reader.orders(day + timedelta(days=1)).drop(columns="order_id"))


def test_a_model_learns_from_it_and_a_later_season_is_another(reader: ModuleType) -> None:
    def days(first: date, count: int) -> tuple[pd.DataFrame, pd.Series]:
        some = [first + timedelta(days=n) for n in range(count)]
        rows = pd.concat([reader.orders(day) for day in some])
        columns = pd.get_dummies(rows[["amount", "items", "channel"]], dtype=float)
        return columns, pd.concat([reader.returns(day) for day in some])["returned"]

    model = LogisticRegression(max_iter=2000).fit(*days(date(2026, 9, 1), 20))

    def area(first: date) -> float:
        columns, label = days(first, 7)
        return float(roc_auc_score(label, model.predict_proba(columns)[:, 1]))

    soon, half_a_season_later = area(date(2026, 9, 21)), area(date(2026, 11, 10))
    assert soon > 0.68
    assert half_a_season_later < soon - 0.05
