"""Commands take the options of jobs as the jobs declare them, and refuse bad values in the same words."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from tests.pipelines import PIPELINE_FILE
from tidewheel.cli import job_process
from tidewheel.cli.app import app
from tidewheel.errors import UsageError

if TYPE_CHECKING:
    from click.testing import Result


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The command lines of the jobs that commands start; none is really started."""
    calls: list[list[str]] = []

    def note(settings: object, job: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        calls.append([job, *arguments])
        return subprocess.CompletedProcess([], 0)

    (tmp_path / "dags").mkdir()
    (tmp_path / "dags" / "orders.yaml").write_text(PIPELINE_FILE)
    monkeypatch.setenv("TIDEWHEEL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEWHEEL_PROJECT", str(tmp_path))
    monkeypatch.setattr(job_process, "run_job", note)
    return calls


def tidewheel(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("arguments", "job", "passed"),
    [
        (["release", "orders"], "release", []),
        (["release", "orders", "--version", "3", "--reason", "urgent"], "release", ["--version=3", "--reason=urgent"]),
        (["release", "orders", "--version", "", "--reconcile"], "release", ["--reconcile"]),
        (["rollback", "orders", "--dry-run"], "release", ["--rollback", "--dry-run"]),
        (
            ["approve", "orders", "--version", "2", "--reason", "seen"],
            "review",
            ["--version=2", "--say=approved", "--reason=seen"],
        ),
        (
            ["reject", "orders", "--version", "2", "--reason", "slow"],
            "review",
            ["--version=2", "--say=rejected", "--reason=slow"],
        ),
        (["adopt", "orders"], "adopt", []),
        (["load", "orders"], "load", []),
        (["load", "orders", "--rps", "2.5", "--batch", "7"], "load", ["--rps=2.5", "--batch=7"]),
        (
            ["erase", "orders", "--key", "a=1", "--key", "b=2", "--dry-run"],
            "erase",
            ["--key=a=1", "--key=b=2", "--dry-run"],
        ),
    ],
)
def test_a_command_starts_its_job_with_what_it_was_given(
    started: list[list[str]], arguments: list[str], job: str, passed: list[str]
) -> None:
    ended = tidewheel(*arguments)

    assert ended.exit_code == 0, ended.output
    [[name, pipeline, partition, run_id, *own]] = started
    assert (name, pipeline, own) == (job, "--pipeline=orders", passed)
    assert partition == f"--partition={datetime.now(UTC).date()}"
    assert run_id.startswith("--run-id=cli__")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["release", "orders", "--version", "v3"],
            "--version: found 'v3'; expected the number of a registered version",
        ),
        (["approve", "orders", "--version", "0", "--reason", "x"], "--version: found '0'; expected the number of a"),
        (["approve", "orders", "--version", "3", "--reason", " "], "--reason is missing; expected why"),
        (["load", "orders", "--rps", "fast"], "--rps: found 'fast'; expected a finite number above 0"),
        (["load", "orders", "--batch", "0"], "--batch: found '0'; expected a whole number of at least 1"),
        (
            ["replay", "orders", "--from", "2026-01-01", "--to", "2026-01-02", "--seeds", "0"],
            "--seeds: found '0'; expected a whole number of at least 1",
        ),
    ],
)
def test_a_bad_value_is_refused_before_the_job_is_started(
    started: list[list[str]], arguments: list[str], said: str
) -> None:
    ended = tidewheel(*arguments)

    assert isinstance(ended.exception, UsageError)
    assert str(ended.exception).startswith(said)
    assert started == []


def test_help_says_what_is_counted_and_what_holds_without_an_option() -> None:
    said = " ".join(tidewheel("load", "--help").output.replace("│", " ").split())

    assert "rate, in requests a second [default: 30]" in said
    assert "without /predict; default: this installation's" in said


def test_a_job_that_fails_gives_the_command_its_exit_code(
    started: list[list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_process, "run_job", lambda *_: subprocess.CompletedProcess([], 3))

    assert tidewheel("release", "orders").exit_code == 3
