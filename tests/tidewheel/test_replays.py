"""Two replays of the same days are compared policy by policy, on the same drawn days."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from tidewheel.cli.app import main
from tidewheel.errors import UsageError
from tidewheel.replays import Replay, compare, read_replay

DAYS = [f"2024-02-{day:02}" for day in range(1, 29)]


def replay(better: float = 0.0, **changes: Any) -> dict[str, Any]:
    drawn = random.Random(4)
    loss = [50 * (drawn.gauss(0.5, 0.1) - better) for _ in DAYS]
    spec = {"policy": "spec", "fits": 6.0, "cpu_seconds": 12.0, "cpu_seconds_each": 3.0}
    daily = {"weight": [50.0] * len(DAYS), "loss": loss}
    return {
        "pipeline": "orders",
        "metric": "log_loss",
        "data": "abc",
        "days": DAYS,
        "policies": [{**spec, "daily": daily}],
        **changes,
    }


def test_pairing_the_days_shows_a_difference_that_is_far_smaller_than_they_differ_by() -> None:
    (found,) = compare(Replay.model_validate(replay()), Replay.model_validate(replay(0.01)))
    assert found.second - found.first == pytest.approx(-0.01)
    assert found.low == pytest.approx(-0.01)
    assert found.high == pytest.approx(-0.01)
    (same,) = compare(Replay.model_validate(replay()), Replay.model_validate(replay()))
    assert (same.low, same.high) == (0, 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"days": DAYS[:-1]}, r"differ in days \(2024-02-01 to 2024-02-28, 28 days, 2024-02-01 to 2024-02-27, 27 days"),
        ({"metric": "brier"}, r"differ in metric \(log_loss, brier\)"),
        ({"data": "def"}, r"differ in data \(abc, def\)"),
        ({"policies": []}, r"have no policy in common \(spec; \)"),
    ],
)
def test_replays_that_cannot_be_paired_are_named(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        compare(Replay.model_validate(replay()), Replay.model_validate(replay(**changes)))


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone.json cannot be read"):
        read_replay(tmp_path / "gone.json")
    (tmp_path / "old.json").write_text(json.dumps({"pipeline": "orders"}))
    with pytest.raises(UsageError, match=r"old.json is no replay.json of this release: metric: Field required"):
        read_replay(tmp_path / "old.json")


def test_the_command_compares_two_files_and_plays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = []
    for name, better in (("a", 0.0), ("b", 0.01)):
        files.append(tmp_path / f"{name}.json")
        files[-1].write_text(json.dumps(replay(better)))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setattr("sys.argv", ["tidewheel", "replay", "orders", "--compare", *map(str, files)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    told = capsys.readouterr().out
    assert "mean loss a row over 28 days" in told
    assert "-0.0100 (-0.0100 to -0.0100)" in told
