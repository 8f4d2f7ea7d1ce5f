"""What is in an image, and what it may do."""

from __future__ import annotations

import pytest

from tests.containers.engine import CommandFailed, container, megabytes, run

TARGETS = ("serving", "jobs", "airflow")
# Of the whole image, base included; measured: docs/how-to/containers.md.
LARGEST_SERVING_MB = 1000


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_runs_as_a_numeric_user_that_is_not_root(images: dict[str, str], target: str) -> None:
    assert run("docker", "image", "inspect", "--format", "{{.Config.User}}", images[target]).strip() == "10001:10001"
    assert container(images[target], "id", "-u").strip() == "10001"


@pytest.mark.parametrize("target", TARGETS)
def test_nobody_can_write_to_the_root_file_system_and_python_works_without(images: dict[str, str], target: str) -> None:
    with pytest.raises(CommandFailed, match="Read-only file system"):
        container(images[target], "touch", "/opt/written")

    assert (
        container(images[target], "python", "-c", "import numpy, sklearn, xgboost; print('imported')") == "imported\n"
    )


def test_the_serving_image_is_small_and_holds_only_what_answers(images: dict[str, str]) -> None:
    names = ("pyspark", "airflow", "mlflow", "great_expectations", "evidently", "tidewheel", "pip", "uv")
    program = f"import importlib.util as u; print([n for n in {names} if u.find_spec(n)])"

    assert container(images["serving"], "python", "-c", program) == "[]\n"
    assert megabytes(images["serving"]) < LARGEST_SERVING_MB < megabytes(images["jobs"])


def test_the_jobs_image_knows_no_airflow_and_has_java_for_spark(images: dict[str, str]) -> None:
    program = "import importlib.util as u, pyspark; print(u.find_spec('airflow'))"

    assert container(images["jobs"], "python", "-c", program) == "None\n"
    assert "17" in container(images["jobs"], "sh", "-c", "java -version 2>&1")


@pytest.mark.parametrize("target", ["jobs", "airflow"])
def test_the_command_line_is_there_and_the_code_is_compiled(images: dict[str, str], target: str) -> None:
    assert "Usage: tidewheel" in container(images[target], "tidewheel", "--help")
    program = "import importlib.util as u; print(u.find_spec('tidewheel.settings').cached)"
    compiled = container(images[target], "python", "-c", program).strip()
    assert container(images[target], "ls", compiled).strip() == compiled
