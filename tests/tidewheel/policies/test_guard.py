"""The guard as a rule: what is a breach, what proves nothing, and what a bake leads to."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tidewheel.policies.guard import GuardMeasurement, GuardPolicy, WindowComparison, WindowCounts
from tidewheel.policies.significance import kolmogorov_smirnov_distance
from tidewheel.policies.verdict import Outcome, Verdict

POLICY = GuardPolicy(
    latency_budget_ms=50,
    minimum_requests=50,
    maximum_error_share=0.01,
    maximum_latency_ratio=2,
    maximum_slow_share=0.05,
    maximum_score_distance=0.4,
    confidence=0.99,
    consecutive_breaches=2,
    patience_seconds=30,
    when_inconclusive="roll_back",
)
QUIET = WindowComparison(WindowCounts())


def seen(
    requests: int = 200, *, errors: int = 0, refused: int = 0, ms: float = 3, slow: int = 0, slow_ms: float = 300
) -> WindowCounts:
    times = [(ms, requests - slow), *([(slow_ms, slow)] if slow else [])]
    return WindowCounts(requests, errors, refused, tuple(times))


def judge(new: WindowCounts, old: WindowCounts | None = None, *, same_window: bool = False) -> Verdict:
    return POLICY.judge(GuardMeasurement("3", "2", WindowComparison(new, old, same_window), QUIET))


def test_a_version_that_errs_on_one_request_in_twenty_is_a_breach_and_the_sentence_says_by_how_much() -> None:
    verdict = judge(seen(errors=10), seen())
    assert verdict.outcome is Outcome.REFUSED
    assert verdict.sentence == (
        "10 of 200 requests to version 3 failed (5.0%, 0.0% of version 2), 1.0% more are allowed"
    )


def test_a_version_that_answers_slowly_is_a_breach() -> None:
    verdict = judge(seen(ms=303), seen())
    assert verdict.sentence == (
        "200 of 200 requests to version 3 took longer than 50 ms "
        "(100.0%, 5.0% are allowed; version 2 answered 99% within 3 ms)"
    )
    assert verdict.outcome is Outcome.REFUSED


def test_the_old_version_sets_the_pace_where_it_was_beyond_the_budget_itself() -> None:
    assert judge(seen(ms=90), seen(ms=60)).outcome is Outcome.PASSED
    assert judge(seen(ms=90), None).outcome is Outcome.REFUSED
    assert judge(seen(ms=130), seen(ms=60)).outcome is Outcome.REFUSED


def test_a_machine_that_is_slow_for_the_old_version_too_is_no_breach() -> None:
    measured = GuardMeasurement(
        "3", "2", WindowComparison(seen(ms=90), seen()), WindowComparison(seen(20, ms=80), seen(20, ms=70))
    )
    assert POLICY.judge(measured).outcome is Outcome.PASSED


def test_a_moment_in_which_the_machine_pauses_is_no_breach() -> None:
    assert judge(seen(80, slow=8), seen()).outcome is Outcome.PASSED
    assert judge(seen(80, slow=12), seen()).outcome is Outcome.REFUSED
    assert judge(seen(7, slow=7), seen()).outcome is Outcome.INCONCLUSIVE


def test_one_slow_or_failed_request_is_chance() -> None:
    assert judge(seen(errors=1, slow=1), seen()).outcome is Outcome.PASSED


def test_refused_requests_count_only_beside_the_same_callers() -> None:
    assert judge(seen(refused=40), seen()).outcome is Outcome.PASSED
    assert judge(seen(refused=40), seen(), same_window=True).outcome is Outcome.REFUSED


@pytest.mark.parametrize(("new", "moved"), [(0.5, True), (None, False)])
def test_a_version_that_scores_everything_alike_is_a_breach(new: float | None, moved: bool) -> None:
    usual = tuple(np.random.default_rng(0).uniform(0.1, 0.9, 100).tolist())
    scores = usual[::-1] if new is None else (new,) * 100
    verdict = judge(replace(seen(), scores=scores), replace(seen(), scores=usual))
    assert (verdict.outcome is Outcome.REFUSED) is moved
    if moved:
        assert "version 3 says 0.5 to all 100 rows, version 2 0.1" in verdict.sentence


def test_scores_that_lie_elsewhere_are_a_breach_and_a_few_of_them_prove_nothing() -> None:
    draw = np.random.default_rng(0)
    low, high = (tuple(draw.beta(a, b, 200).tolist()) for a, b in ((2, 8), (8, 2)))
    assert "lie 0.9" in judge(replace(seen(), scores=high), replace(seen(), scores=low)).sentence
    assert judge(replace(seen(), scores=high[:3]), replace(seen(), scores=low[:3])).outcome is Outcome.PASSED


def test_callers_who_ask_for_the_same_rows_again_and_again_prove_nothing_about_the_scores() -> None:
    new, old = replace(seen(), scores=(0.31, 0.52) * 100), replace(seen(), scores=(0.3, 0.5) * 100)
    assert kolmogorov_smirnov_distance(new.scores, old.scores) == 0.5
    assert judge(new, old).outcome is Outcome.PASSED


def test_few_requests_are_inconclusive_and_golden_rows_may_stand_in_for_them() -> None:
    few = GuardMeasurement("3", "2", WindowComparison(seen(7)), QUIET)
    assert POLICY.judge(few).sentence == (
        "only 7 requests and 0 golden rows were answered by version 3, 50 are required"
    )
    assert POLICY.judge(replace(few, golden=WindowComparison(seen(50), seen(50)))).outcome is Outcome.PASSED


def test_missing_figures_are_never_good_whatever_the_golden_rows_say() -> None:
    missing = GuardMeasurement("3", "2", None, WindowComparison(seen(50), seen(50)))
    verdict = POLICY.judge(missing)
    assert (verdict.outcome, verdict.sentence) == (Outcome.INCONCLUSIVE, "the router's figures are missing")


GOOD, BAD, UNKNOWN = judge(seen()), judge(seen(errors=50)), judge(seen(3))


@pytest.mark.parametrize(
    ("windows", "ends"),
    [([BAD], False), ([BAD, GOOD, BAD], False), ([BAD, UNKNOWN, BAD], False), ([GOOD, BAD, BAD], True)],
)
def test_only_breaches_in_a_row_end_a_bake_early(windows: list[Verdict], ends: bool) -> None:
    verdict = POLICY.interim(windows)
    assert (verdict is not None) is ends
    if verdict is not None:
        assert verdict.outcome is Outcome.ROLLED_BACK
        assert verdict.sentence.endswith("(2 windows in a row)")


def whole(new: WindowCounts, *, missing: bool = False) -> GuardMeasurement:
    return GuardMeasurement("3", "2", None if missing else WindowComparison(new, seen()), QUIET)


@pytest.mark.parametrize(
    ("last", "together", "outcome"),
    [
        (whole(seen()), whole(seen()), Outcome.PASSED),
        (whole(seen(errors=50)), whole(seen(10_000, errors=50)), Outcome.PASSED),  # all together were not bad
        (whole(seen(3)), whole(seen()), Outcome.PASSED),
        (whole(seen()), whole(seen(errors=50)), Outcome.ROLLED_BACK),
        (whole(seen(3)), whole(seen(6)), Outcome.INCONCLUSIVE),
        (whole(seen(), missing=True), whole(seen()), Outcome.INCONCLUSIVE),
    ],
)
def test_what_a_bake_leads_to(last: GuardMeasurement, together: GuardMeasurement, outcome: Outcome) -> None:
    assert POLICY.final(last, together).outcome is outcome


def test_a_version_that_has_proven_nothing_is_rolled_back_unless_the_pipeline_keeps_it() -> None:
    verdict = POLICY.final(whole(seen(3)), whole(seen(6)))
    assert POLICY.unproven(verdict).outcome is Outcome.ROLLED_BACK
    assert replace(POLICY, when_inconclusive="keep").unproven(verdict).outcome is Outcome.PASSED


def test_windows_add_up_and_figures_from_before_the_switch_are_counted_once() -> None:
    before = GuardMeasurement("3", "2", WindowComparison(seen(10), seen(500)), QUIET)
    beside = GuardMeasurement("3", "2", WindowComparison(seen(10), seen(500), same_window=True), QUIET)
    missing = replace(before, routed=None)
    for window, old in ((before, 500), (beside, 1000)):
        together = (window + missing + window).routed
        assert together is not None
        assert together.old is not None
        assert (together.new.requests, together.old.requests) == (20, old)
