"""A pipeline may refuse categories that training never saw."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bentos.loaded_model import LoadedModel
from bentos.problems import RequestRefused
from bentos.request import Reader


def test_an_unknown_category_is_refused_where_the_pipeline_says_so(served: LoadedModel) -> None:
    reader = Reader(replace(served.packaged, refuse_unknown=True))
    row = dict(served.packaged.contract.golden_rows[0].row)
    assert reader.from_rows([row])
    with pytest.raises(RequestRefused) as refused:
        reader.from_rows([{**row, "carrier": "zeppelin"}])
    assert str(refused.value) == 'row 0, field carrier: found "zeppelin", expected one of fast, other, slow'
    assert reader.from_rows([{**row, "origin": None}])
