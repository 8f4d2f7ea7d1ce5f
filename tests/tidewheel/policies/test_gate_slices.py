"""The gate's rule for slices: harm is found, luck is not taken for harm, and what cannot be judged is not passed."""

from __future__ import annotations

import dataclasses
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidewheel.policies.gate.measurement import Comparison, GateMeasurement, SliceComparison
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.gate.slices import SlicePolicy
from tidewheel.policies.verdict import Outcome
from tidewheel.quantities import quantity

SLICES = SlicePolicy(margin=0.05, confidence=0.95, minimum_rows=200)
GATE = GatePolicy(metric="log_loss", lower_is_better=True, slices=SLICES)
PROBABILITIES = st.lists(st.floats(0, 1), min_size=1, max_size=12)


def part(name: str, *, rows: int = 500, p: float = 0.9, bound: float = 0.0) -> SliceComparison:
    return SliceComparison(name, rows, 0.5, 0.5, 0.0, bound, p)


def parts(probabilities: list[float]) -> list[SliceComparison]:
    return [part(f"s={n}", p=p) for n, p in enumerate(probabilities)]


def gate(*slices: SliceComparison, policy: SlicePolicy = SLICES) -> tuple[Outcome, str]:
    comparison = Comparison("1", {"log_loss": 0.5}, 0.0, 0.0)
    measured = GateMeasurement("2", {"log_loss": 0.5}, 5000, 7, comparison, slices=slices)
    verdict = dataclasses.replace(GATE, slices=policy).decide(measured)
    json.dumps([dict(verdict.inputs), dict(verdict.thresholds)], allow_nan=False)
    return verdict.outcome, verdict.sentence


def test_a_harmed_slice_refuses_a_challenger_that_is_fine_on_average() -> None:
    outcome, sentence = gate(part("carrier=AA", p=0.001), part("carrier=UA"))
    assert outcome is Outcome.REFUSED
    assert "is worse where carrier=AA" in sentence


def test_among_many_slices_one_that_looks_bad_by_luck_refuses_nothing() -> None:
    alone, among_twenty = gate(part("s=0", p=0.04)), gate(part("s=0", p=0.04), *parts([0.5] * 19))
    assert alone[0] is Outcome.REFUSED
    assert among_twenty[0] is Outcome.PASSED


@given(PROBABILITIES)
def test_what_is_refused_is_what_holm_refuses(probabilities: list[float]) -> None:
    refused = [s for s, outcome in SLICES.judge(parts(probabilities)).items() if outcome is Outcome.REFUSED]
    ordered = sorted(probabilities)
    count = next((rank for rank, p in enumerate(ordered) if p > (1 - 0.95) / (len(ordered) - rank)), len(ordered))
    assert len(refused) == count


@given(PROBABILITIES, st.floats(0, 1))
def test_another_slice_never_makes_a_slice_refused_that_was_not(probabilities: list[float], other: float) -> None:
    def refused(found: list[float]) -> set[str]:
        return {s for s, outcome in SLICES.judge(parts(found)).items() if outcome is Outcome.REFUSED}

    if other > 0.05:
        assert refused([*probabilities, other]) <= refused(probabilities)


@given(rows=st.integers(0, 199), p=st.floats(0, 1) | st.just(math.nan), bound=st.floats(-1, 1) | st.just(math.nan))
def test_a_slice_without_rows_enough_is_inconclusive_whatever_it_shows(rows: int, p: float, bound: float) -> None:
    few = part("carrier=OO", rows=rows, p=p, bound=bound)
    assert SLICES.judge([few]) == {"carrier=OO": Outcome.INCONCLUSIVE}
    outcome, sentence = gate(few)
    assert outcome is Outcome.PASSED
    assert f"inconclusive: carrier=OO ({quantity(rows, 'row')})" in sentence
    held, sentence = gate(few, policy=dataclasses.replace(SLICES, undecided_holds=True))
    assert held is Outcome.INCONCLUSIVE
    assert "carrier=OO" in sentence


@pytest.mark.parametrize(("bound", "outcome"), [(0.02, Outcome.PASSED), (0.03, Outcome.INCONCLUSIVE)])
def test_a_slice_is_passed_only_where_the_absence_of_harm_is_shown(bound: float, outcome: Outcome) -> None:
    assert SLICES.judge([part("s=0", bound=bound)]) == {"s=0": outcome}
