"""The error tree, and what the core offers: both are a promise to those who build on it."""

from __future__ import annotations

import pytest

import tidewheel.errors
import tidewheel.lake
import tidewheel.ledger
import tidewheel.spec
from tidewheel.errors import ExitCode, TidewheelError, did_you_mean


def tree(error: type[TidewheelError]) -> dict[str, object]:
    return {child.__name__: tree(child) for child in error.__subclasses__() if child.__module__ == error.__module__}


def test_the_tree_of_errors_is_the_one_its_module_draws() -> None:
    assert tree(TidewheelError) == {
        "UsageError": {"SpecError": {}, "SettingsError": {}, "ModelRefused": {}},
        "DataRefused": {},
        "SourceError": {},
        "LakeError": {},
        "LedgerError": {},
        "RegistryError": {},
        "ReleaseError": {},
        "PlatformError": {},
    }
    drawn = tidewheel.errors.__doc__ or ""
    for name in ["TidewheelError", *(child.__name__ for child in TidewheelError.__subclasses__())]:
        assert name in drawn


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("SpecError", ExitCode.WRONG_USAGE),
        ("SettingsError", ExitCode.WRONG_USAGE),
        ("ModelRefused", ExitCode.WRONG_USAGE),
        ("DataRefused", ExitCode.DATA_REFUSED),
        ("SourceError", ExitCode.FAILED),
        ("LakeError", ExitCode.FAILED),
        ("ReleaseError", ExitCode.FAILED),
    ],
)
def test_an_error_knows_the_exit_code_it_ends_a_job_with(name: str, code: ExitCode) -> None:
    assert getattr(tidewheel.errors, name).exit_code == code


def test_the_rooms_offer_these_names_and_no_others() -> None:
    assert tidewheel.lake.__all__ == [
        "DataFile",
        "Lake",
        "LakeFile",
        "Manifest",
        "Store",
        "open_parquet",
        "open_verified",
    ]
    assert tidewheel.ledger.__all__ == ["Ledger", "is_current", "migrate"]
    assert tidewheel.spec.__all__ == [
        "LOWER_IS_BETTER",
        "Pipeline",
        "find_pipeline",
        "load_pipeline",
        "pipeline_files",
        "pipeline_schema",
    ]
    for room in (tidewheel.lake, tidewheel.ledger, tidewheel.spec):
        assert all(hasattr(room, name) for name in room.__all__)


def test_the_nearest_spelling_is_offered_only_where_one_is_near() -> None:
    assert did_you_mean("roc_auk", ["roc_auc", "log_loss"]) == ", did you mean 'roc_auc'?"
    assert did_you_mean("xyz", ["roc_auc", "log_loss"]) == ""
