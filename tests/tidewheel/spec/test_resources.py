"""What a job's pod gets: what the pipeline file says, and for the rest what was measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pipelines import PIPELINE_FILE
from tidewheel.errors import SpecError
from tidewheel.spec import Pipeline, load_pipeline
from tidewheel.spec.resources import Resources


def pipeline(folder: Path, more: str = "") -> Pipeline:
    file = folder / "orders.yaml"
    file.write_text(PIPELINE_FILE + more)
    return load_pipeline(file)


def test_a_year_of_flights_fits_into_the_pod_that_features_gets_by_default(tmp_path: Path) -> None:
    assert pipeline(tmp_path).resources_of("features") == Resources(cpu=2, memory="4Gi")


def test_what_the_file_does_not_say_of_a_job_stays_as_measured(tmp_path: Path) -> None:
    made = pipeline(tmp_path, "resources: {features: {cpu: 8}, train: {gpu: 1}}\n")
    assert made.resources_of("features") == Resources(cpu=8, memory="4Gi")
    assert made.resources_of("train") == Resources(cpu=1, memory="2Gi", gpu=1)
    assert made.resources_of("score") == Resources(cpu=2, memory="4Gi")


@pytest.mark.parametrize("job", ["release", "package", "requests"])
def test_a_job_that_works_on_this_machine_has_no_pod_to_size(tmp_path: Path, job: str) -> None:
    assert pipeline(tmp_path).resources_of(job) is None
    with pytest.raises(SpecError, match=rf"resources\.{job}: .*expected 'land', 'validate'"):
        pipeline(tmp_path, f"resources: {{{job}: {{cpu: 1}}}}\n")


def test_the_key_of_earlier_releases_is_told_where_it_has_gone(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"training\.resources: no key any more; write it as `resources: \{train: …\}`"):
        pipeline(tmp_path, "training: {estimator: xgboost, resources: {gpu: 1}}\n")


def test_a_misspelled_job_is_told_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"found 'feature'; expected .*did you mean 'features'"):
        pipeline(tmp_path, "resources: {feature: {cpu: 1}}\n")


def test_a_wrong_amount_is_named_with_its_key(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"resources\.score\.memory: found '2 GB'; expected memory in Mi or Gi"):
        pipeline(tmp_path, "resources: {score: {memory: 2 GB}}\n")
