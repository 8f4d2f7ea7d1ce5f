"""Options are declared once: values are read by type, and what is wrong is one sentence."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from tidewheel.errors import UsageError
from tidewheel.options import (
    EraseOptions,
    LoadOptions,
    PromoteOptions,
    ReleaseOptions,
    ReplayOptions,
    Review,
    ReviewOptions,
    RunOptions,
    ValidateOptions,
    ValidationStage,
    parse_options,
)
from tidewheel.options.command_line import add_arguments, arguments_of
from tidewheel.options.jobs import JOBS
from tidewheel.options.option import JobOptions, Options
from tidewheel.options.validation import title_of

JOB_FILES = Path(__file__).parents[3] / "jobs"


@pytest.mark.parametrize("empty", ["", "  ", None, [], ()])
def test_what_is_left_empty_is_as_if_it_were_not_there(empty: object) -> None:
    given = {"version": empty, "rollback": empty, "reason": empty, "stage": empty}
    assert parse_options(ReleaseOptions, given) == ReleaseOptions()
    assert parse_options(LoadOptions, {"rps": empty, "batch": empty}) == LoadOptions()
    assert parse_options(ReplayOptions, {"policy": empty}).policy == ("spec", "frozen", "equal", "weekly")


def test_text_is_read_as_the_type_that_is_declared() -> None:
    assert parse_options(LoadOptions, {"rps": "0.5", "batch": "20"}) == LoadOptions(rps=0.5, batch=20)
    assert parse_options(ReleaseOptions, {"rollback": "True", "dry_run": "False"}).rollback is True
    assert parse_options(PromoteOptions, {"review": "approve"}).review is Review.APPROVE
    run = parse_options(RunOptions, {"pipeline": "p", "partition": "2026-01-01..2026-01-03", "run_id": "r"})
    assert len(run.partition.days) == 3


@pytest.mark.parametrize(
    ("model", "given", "said"),
    [
        (ReleaseOptions, {"version": "v3"}, "--version: found 'v3'; expected the number of a registered version, for"),
        (ReleaseOptions, {"dry_run": "perhaps"}, "--dry-run: found 'perhaps'; expected yes or no"),
        (ReleaseOptions, {"version": "3", "rollback": "yes"}, "--rollback and --version exclude each other"),
        (
            ValidateOptions,
            {"stage": "feature"},
            "--stage: found 'feature'; expected one of raw, features, predictions, did",
        ),
        (ValidateOptions, {"stage": ""}, "--stage is missing; expected one of raw, features, predictions"),
        (ReviewOptions, {"version": "3", "say": "approved"}, "--reason is missing; expected why; goes to the ledger"),
        (LoadOptions, {"rps": "0"}, "--rps: found '0'; expected a finite number above 0"),
        (LoadOptions, {"seconds": "inf"}, "--seconds: found 'inf'; expected a finite number above 0"),
        (LoadOptions, {"batch": "1.5"}, "--batch: found '1.5'; expected a whole number of at least 1"),
        (ReplayOptions, {"workers": "0"}, "--workers: found '0'; expected a whole number of at least 1"),
        (ReplayOptions, {"policies": "spec"}, "there is no option 'policies', did you mean 'policy'?; expected policy"),
        (EraseOptions, {"key": []}, "--key is missing; expected value of the entity's key"),
    ],
)
def test_a_bad_value_is_one_sentence_with_the_option_what_was_found_and_what_is_expected(
    model: type[Options], given: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError) as refused:
        parse_options(model, given)
    [line] = str(refused.value).splitlines()
    assert line.startswith(said)


def test_each_bad_value_has_its_line_and_a_form_is_named_as_its_user_sees_it() -> None:
    with pytest.raises(UsageError) as refused:
        parse_options(ReleaseOptions, {"version": "x", "reconcile": "x"}, title_of)
    assert [line.partition(":")[0] for line in str(refused.value).splitlines()] == [
        "Version (--version)",
        "--reconcile",
    ]


def test_a_range_that_ends_before_it_begins_is_named_by_its_option() -> None:
    with pytest.raises(
        UsageError, match=r"^--partition: partition range 2026-01-02\.\.2026-01-01 ends before it begins"
    ):
        parse_options(RunOptions, {"pipeline": "p", "partition": "2026-01-02..2026-01-01", "run_id": "r"})


@pytest.mark.parametrize(
    ("options", "arguments"),
    [
        (ReleaseOptions(), []),
        (
            ReleaseOptions(version="3", reason="-x 'y'\nz", dry_run=True),
            ["--version=3", "--reason=-x 'y'\nz", "--dry-run"],
        ),
        (ValidateOptions(stage=ValidationStage.RAW), ["--stage=raw"]),
        (EraseOptions(key=("a=1", "--b")), ["--key=a=1", "--key=--b"]),
        (LoadOptions(rps=0.1, batch=3), ["--rps=0.1", "--batch=3"]),
        (PromoteOptions(review=Review.REJECT, review_reason="slow"), ["--review=reject", "--review-reason=slow"]),
        (ReplayOptions(policy=("spec",), workers=2), ["--policy=spec", "--workers=2"]),
    ],
)
def test_options_come_back_from_their_command_line(options: JobOptions, arguments: list[str]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, RunOptions, type(options))
    assert arguments_of(options) == arguments
    assert parse_options(type(options), vars(parser.parse_args(arguments))) == options


@pytest.mark.parametrize("model", JOBS.values(), ids=JOBS)
def test_every_job_prints_its_help_and_every_option_can_be_told_from_text(model: type[JobOptions]) -> None:
    parser = argparse.ArgumentParser()
    add_arguments(parser, RunOptions, model)
    text = parser.format_help()
    for option in model.declared().values():
        assert option.flag in text
        assert option.option.help[0].islower() or option.option.help.startswith("`")
        assert not option.option.help.endswith(".")
        assert option.kind is not bool or option.default is False, "a switch is off, so that its flag switches it on"


def test_a_record_for_each_stage_has_the_stage_in_its_name() -> None:
    assert ReleaseOptions().record == "release-all"
    assert ReleaseOptions.record_name({"stage": "plan"}) == ReleaseOptions(stage="plan").record == "release-plan"
    assert ValidateOptions(stage=ValidationStage.RAW).record == "validate-raw"
    assert PromoteOptions(version="3").record == "promote"
    assert LoadOptions().record == "load"


def test_every_job_ends_by_running_with_its_own_model() -> None:
    ends = {
        path: text.rpartition("run(work, ")[2].partition(")")[0]
        for path in [*JOB_FILES.glob("*.py"), *JOB_FILES.glob("*/__main__.py")]
        if "run(work, " in (text := path.read_text(encoding="utf-8")) and path.name != "job.py"
    }
    found = {path.parent.name if path.name == "__main__.py" else path.stem: model for path, model in ends.items()}
    assert found == {job: model.__name__ for job, model in JOBS.items()}
