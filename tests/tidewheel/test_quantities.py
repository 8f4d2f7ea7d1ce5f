"""Numbers of things in words."""

import pytest

from tidewheel.quantities import quantity


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 rows"), (1, "1 row"), (1.0, "1 row"), (2, "2 rows"), (1_200, "1,200 rows"), (1.5, "1.5 rows")],
)
def test_one_is_singular_and_all_else_plural(number: float, words: str) -> None:
    assert quantity(number, "row") == words


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [quantity(number, "batch", "batches") for number in (1, 2)] == ["1 batch", "2 batches"]
