"""Days that fail are reported once for each rule and column, whatever differs in what was found on them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pyarrow as pa
import pytest

from jobs.data.column_names import check_names
from jobs.data.readers.csv_files import csv_table
from jobs.data.readers.source_day import SourceFile
from jobs.data.readers.values import ValueProblem, array_of
from jobs.data.reasons import DayProblem, Failure, NothingThere, RowsRefused, failure_sentences, reason_of
from jobs.data.structure import LabelRules, labels_of_day, rows_of_day
from tidewheel.errors import DataRefused
from tidewheel.spec.sections import CsvReader

DAYS = [date(2026, 1, n) for n in range(1, 5)]
READER = CsvReader(kind="csv", path="rows-{partition}.csv")


def failures(*refusals: DataRefused | NothingThere) -> list[Failure]:
    """One failure a day."""
    return [Failure(str(day), reason_of(refusal)) for day, refusal in zip(DAYS, refusals, strict=False)]


def refused(call: Callable[..., object], *arguments: object) -> RowsRefused:
    """The refusal that a call ends with."""
    with pytest.raises(RowsRefused) as error:
        call(*arguments)
    return error.value


def csv(content: bytes, name: str) -> RowsRefused:
    """The refusal of a CSV file whose column `amount` is known to hold numbers."""
    return refused(csv_table, [SourceFile(name, content)], READER, {"amount": pa.float64()}, "source")


def test_a_sentence_is_made_of_its_parts() -> None:
    reason = DayProblem("orders.csv", "column 'a' is missing", "rule: it must be there", ("a",))
    assert reason.sentence == "orders.csv: column 'a' is missing; rule: it must be there"
    assert DayProblem("", "as a team's own reader says it").sentence == "as a team's own reader says it"
    assert str(RowsRefused("s", "f", "e")) == DayProblem("s", "f", "e").sentence


@pytest.mark.parametrize(
    "refusals",
    [
        pytest.param(
            lambda: (refused(check_names, ["a ", "b"], "x-1.csv"), refused(check_names, ["c", "a "], "for example")),
            id="name",
        ),
        pytest.param(
            lambda: (csv(b"amount\n1\nten\n", "1.csv"), csv(b"amount\n1\n2\n3\ntwelve (12; 13)\n", "2.csv")), id="type"
        ),
        pytest.param(
            lambda: (csv(b"amount,city\n1,M\xfcnchen\n", "1.csv"), csv(b"amount,city\n1,a\n2,K\xf6ln\n", "2.csv")),
            id="encoding",
        ),
        pytest.param(
            lambda: (csv(b'amount,note\n1,"open\n', "1.csv"), csv(b'amount,note\n1,a\n2,"b"c\n', "2.csv")), id="quote"
        ),
        pytest.param(
            lambda: (
                refused(rows_of_day, pa.table({"k": ["a", "a"], "t": [DAYS[0]] * 2}), DAYS[0], ["k"], "t", "1"),
                refused(rows_of_day, pa.table({"k": ["z", "y", "z"], "t": [DAYS[1]] * 3}), DAYS[1], ["k"], "t", "2"),
            ),
            id="key",
        ),
        pytest.param(lambda: tuple(NothingThere(f"{n}.csv", "no such file", "is it late?") for n in "12"), id="late"),
    ],
)
def test_what_differs_from_day_to_day_does_not_part_days(
    refusals: Callable[[], tuple[RowsRefused | NothingThere, RowsRefused | NothingThere]],
) -> None:
    one, other = refusals()
    assert str(one) != str(other)
    [said] = failure_sentences(failures(one, other), 9)
    assert said == f"2 of 9 days failed for the same reason ({DAYS[0]}..{DAYS[1]}); on {DAYS[0]}: {one}"


def test_columns_and_rules_part_days_and_so_do_the_words_of_a_team() -> None:
    def missing(column: str) -> RowsRefused:
        return refused(labels_of_day, pa.table({"k": ["a"]}), ["k"], LabelRules(column, "classification"), "labels.csv")

    numbered = failures(missing("2"), missing("3"), missing("price 2"), missing("price 3"))
    assert len(failure_sentences(numbered, 9)) == 4, "a number may be a column's name"
    wrong = pa.table({"k": ["a"], "l": [2]})
    classified = refused(labels_of_day, wrong, ["k"], LabelRules("l", "classification"), "labels.csv")
    assert len(failure_sentences(failures(classified, missing("l")), 9)) == 2
    assert len(failure_sentences(failures(DataRefused("10 rows lack a shop"), DataRefused("a shop too many")), 9)) == 2


def test_values_that_make_no_column_say_what_is_expected_apart_from_what_they_are() -> None:
    problems = []
    for values in ([1, "a"], ["b", 2.5]):
        with pytest.raises(ValueProblem) as error:
            array_of(values)
        problems.append(error.value)
    assert problems[0].found != problems[1].found
    assert problems[0].expected == problems[1].expected == "expected one type"
