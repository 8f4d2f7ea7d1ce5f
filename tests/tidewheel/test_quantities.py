"""Numbers of things and lists of names, in words."""

import pytest

from tidewheel.quantities import listing, quantity


@pytest.mark.parametrize(
    ("number", "words"),
    [(0, "0 rows"), (1, "1 row"), (1.0, "1 row"), (2, "2 rows"), (1_200, "1,200 rows"), (1.5, "1.5 rows")],
)
def test_one_is_singular_and_all_else_plural(number: float, words: str) -> None:
    assert quantity(number, "row") == words


def test_a_noun_may_have_a_plural_of_its_own() -> None:
    assert [quantity(number, "batch", "batches") for number in (1, 2)] == ["1 batch", "2 batches"]


@pytest.mark.parametrize(
    ("items", "words"),
    [
        ([], ""),
        (["a"], "a"),
        (["a", "b"], "a, b"),
        (["a", "b", "c"], "a, b and 1 more"),
        (["x"] * 1_202, "x, x and 1,200 more"),
    ],
)
def test_a_long_list_names_the_first_and_counts_the_others(items: list[str], words: str) -> None:
    assert listing(items, 2) == words


def test_a_list_may_end_in_other_words() -> None:
    assert listing(["a", "b"], 1, rest=", ...") == "a, ..."
    assert listing(["a", "b", "c"], 2, separator="; ", rest="; and {} others") == "a; b; and 1 others"
