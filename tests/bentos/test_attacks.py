"""Bodies that mean to exhaust a service: each is refused within bounds, and the others are answered meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from bentos.content_encoding import LARGEST_BODY
from bentos.loaded_model import LoadedModel
from tests.bentos.attack_meter import MEGABYTE, attacked
from tests.bentos.attacks import ATTACKS, Attack
from tests.bentos.service_process import Service, serving
from tidewheel.release.artifact import Artifact

pytestmark = [pytest.mark.slow]

MOST_MEGABYTES = 10 * LARGEST_BODY / MEGABYTE
MOST_MILLISECONDS = 100.0
LONGEST_REFUSAL = 10_000
ATTEMPTS = 4
CHEAP = [attack for attack in ATTACKS if not attack.expensive]


@pytest.fixture(scope="module")
def service(artifact: Artifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(artifact.path, tmp_path_factory.mktemp("attacked") / "output", {}) as running:
        yield running


@pytest.fixture(scope="module")
def row(served: LoadedModel) -> dict[str, Any]:
    return dict(served.packaged.contract.golden_rows[0].row)


@pytest.mark.parametrize("attack", CHEAP, ids=lambda attack: attack.name)
def test_an_attack_is_refused_in_bounded_memory_and_holds_nobody_up(
    service: Service, row: dict[str, Any], attack: Attack
) -> None:
    for attempt in range(1, ATTEMPTS + 1):
        cost = attacked(service, row, attack, seconds=0.5)
        assert cost.statuses <= attack.statuses
        assert cost.megabytes < MOST_MEGABYTES
        if 200 not in cost.statuses:
            assert cost.answer_bytes < LONGEST_REFUSAL
        # A machine that is busy with other tests is slow by itself, for moments: an attack that holds others up does so
        # each time.
        if len(cost.others) < 20 or cost.p99 < MOST_MILLISECONDS:
            return
        quiet = attacked(service, row, None, 1.0).p99
        assert attempt < ATTEMPTS or cost.p99 < 5 * quiet


def test_after_all_of_it_large_requests_are_answered_as_before(service: Service, row: dict[str, Any]) -> None:
    answer = service.predict([row] * 900)
    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 900
