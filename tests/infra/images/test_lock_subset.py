"""The part of the lock that an image installs."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.images.lock_subset import UnknownName, requirements, roots, subset
from jobs.packaging.bento import PACKAGES

ROOT = Path(__file__).parents[3]
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
IMAGES = {
    "serving": ("serving",),
    "jobs": ("core", "jobs", "serving"),
    "jobs with estimators": ("core", "jobs", "serving", "lightgbm", "catboost"),
    "airflow": ("core", "jobs", "serving", "airflow"),
}


def names(*extras: str) -> set[str]:
    return {locked.name for locked in subset(LOCK, roots(PYPROJECT, extras))}


@pytest.mark.parametrize("extras", IMAGES.values(), ids=IMAGES)
def test_a_subset_holds_whatever_its_packages_require_on_this_machine(extras: tuple[str, ...]) -> None:
    found = names(*extras)

    for package in found:
        try:
            declared = [Requirement(text) for text in requires(package) or []]
        except PackageNotFoundError:
            continue  # of another Python or system
        needed = {canonicalize_name(r.name) for r in declared if r.marker is None or r.marker.evaluate({"extra": ""})}
        assert needed <= found, package


def test_the_serving_extra_is_what_a_bento_of_any_form_needs() -> None:
    of_bentos = {package for packages in PACKAGES.values() for package in packages} - {"xgboost"}  # the one for GPUs

    assert roots(PYPROJECT, ["serving"]) == of_bentos


def test_serving_needs_nothing_that_trains_or_schedules() -> None:
    assert not names("serving") & {"pyspark", "apache-airflow", "mlflow", "great-expectations", "evidently", "skl2onnx"}
    assert "apache-airflow" not in names("core", "jobs", "serving")


def test_estimators_beside_those_of_scikit_learn_and_xgboost_are_installed_by_name_alone() -> None:
    assert not {"lightgbm", "catboost"} & names("core", "jobs", "serving")
    assert {"lightgbm", "catboost"} <= names("core", "jobs", "serving", "lightgbm", "catboost")
    assert not {"lightgbm", "catboost"} & names("serving")


def test_what_bentoml_runs_to_build_a_bento_is_in_the_jobs_image() -> None:
    assert "uv" in names("core", "jobs", "serving")


def test_mlflow_has_its_client_of_artifacts_on_s3_in_every_image_that_it_runs_in() -> None:
    assert "boto3" in names("core", "jobs", "serving") & names(*IMAGES["airflow"])


def test_every_requirement_of_the_lock_is_read_with_its_hashes() -> None:
    read = list(requirements(LOCK))

    assert len(read) == len(re.findall(r"^[\w.-]+==", LOCK, re.MULTILINE))
    assert all("--hash=sha256:" in locked.text for locked in read)
    extras = ("core", *IMAGES["airflow"][1:], "lightgbm", "catboost", "demo", "dev")
    assert {locked.name for locked in read} == names(*extras)


def test_what_is_left_out_takes_along_what_only_it_requires() -> None:
    via = {"a": ["tidewheel (pyproject.toml)"], "b": ["a", "c"], "c": ["a"], "d": ["c"]}
    lock = "".join(f"{name}==1\n    # via\n" + "".join(f"    #   {by}\n" for by in via[name]) for name in via)

    assert [locked.name for locked in subset(lock, ["a"])] == ["a", "b", "c", "d"]
    assert [locked.name for locked in subset(lock, ["a"], without=["c"])] == ["a", "b"]


def test_a_name_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(UnknownName, match="extra 'servign': expected one of airflow, catboost, core, demo"):
        roots(PYPROJECT, ["servign"])
    with pytest.raises(UnknownName, match="has no nothing-like-it: run `make lock`"):
        subset(LOCK, ["nothing-like-it"])


def test_the_script_prints_requirements_without_anything_installed() -> None:
    script = [sys.executable, "-I", "-S", "infra/images/lock_subset.py", "--package", "uv"]

    printed = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout

    assert printed.startswith("uv==")
    assert printed.count("==") == 1


def test_the_lock_for_gpus_differs_only_in_xgboost_which_has_the_same_versions() -> None:
    gpu = list(requirements((ROOT / "requirements-gpu.lock").read_text(encoding="utf-8")))
    pinned = {locked.text.split(" \\\n")[0].replace("xgboost-cpu", "xgboost") for locked in requirements(LOCK)}
    common = {locked.name for locked in requirements(LOCK)}

    assert {locked.name for locked in gpu} == {"xgboost", "nvidia-nccl-cu12", "nvidia-nccl-cu13"}
    assert not {locked.name for locked in gpu} & common
    for locked in gpu:
        assert "--hash=sha256:" in locked.text
        if locked.name == "xgboost":
            assert locked.text.split(" \\\n")[0] in pinned
