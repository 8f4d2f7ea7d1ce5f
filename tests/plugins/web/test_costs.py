"""What trainings cost, in money."""

from __future__ import annotations

import pytest

from plugins.web.trainings import Cost, Prices, Spent


def spent(promoted: int) -> Spent:
    return Spent(
        days=84,
        allowed=4,
        allowed_seconds=0,
        burst=3,
        left="",
        fits=6,
        trainings=3,
        promoted=promoted,
        seconds=60.0,
        cpu_seconds=7200.0,
        gpu_seconds=1800.0,
    )


def test_gpus_are_paid_beside_cpus_and_rejected_trainings_by_the_champions() -> None:
    prices = Prices(0.05, 2.0, "EUR")
    assert spent(2).price(prices) == pytest.approx(2 * 0.05 + 0.5 * 2.0)
    assert spent(2).price_each(prices) == pytest.approx(0.55)
    assert spent(0).price_each(prices) is None
    assert Cost(1, 30.0, 0.0, 3600.0).price(prices) == pytest.approx(30 / 3600 * 0.05 + 2.0), (
        "the clock, where no CPU is known"
    )
    assert Prices(0, 0, "EUR").known is False
    assert Prices(0, 1, "EUR").known is True
