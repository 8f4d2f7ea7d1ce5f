"""Beside a batch prediction: the fields that add most to it, the largest first."""

from __future__ import annotations

import pyarrow as pa
import pytest

from bentos.explainer import NOTHING, Explainer, pack, unpack
from jobs.models.scorer import Scorer, packed
from jobs.packaging.compile import columns_of, comparison_frame
from jobs.packaging.explanation import explanation_of
from jobs.packaging.top_contributions import TopContributions
from tests.small_models import Trained, train


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train()


def scored(trained: Trained, explain: TopContributions) -> pa.Table:
    scorer = Scorer(packed(trained.model), trained.contract, "classification", "7", (), "unused", {}, "unused", explain)
    fields = [("prediction", pa.float64()), ("model_version", pa.string()), *explain.fields]
    batch = pa.RecordBatch.from_pandas(trained.frame.head(40), preserve_index=False)
    return pa.Table.from_batches([scorer.score_batch(batch, pa.schema(fields))])


def test_the_largest_contributions_stand_beside_the_prediction_and_the_rest_are_null(trained: Trained) -> None:
    content = explanation_of(trained.model, trained.contract, comparison_frame(trained.contract, 50), 1e-5)
    explainer = unpack(content)
    assert isinstance(explainer, Explainer)
    found = scored(trained, TopContributions(content, trained.contract, 6)).to_pylist()
    everything = explainer(columns_of(trained.frame.head(40), trained.contract))
    for row, contributions in zip(found, everything.contributions.tolist(), strict=True):
        by_name = dict(zip(everything.fields, contributions, strict=True))
        named = {row[f"top_field_{n}"]: row[f"top_contribution_{n}"] for n in range(1, 6)}
        assert named == by_name
        sizes = [abs(value) for value in named.values()]
        assert sizes == sorted(sizes, reverse=True)
        assert row["top_field_6"] is row["top_contribution_6"] is None


def test_of_a_model_that_cannot_be_explained_the_columns_are_null(trained: Trained) -> None:
    explain = TopContributions(pack({**NOTHING, "reason": "it is neither"}), trained.contract, 2)
    table = scored(trained, explain)
    assert (explain.unit, explain.reason) == ("", "it is neither")
    assert table["top_field_1"].null_count == table["top_contribution_2"].null_count == 40
    assert table["prediction"].null_count == 0
