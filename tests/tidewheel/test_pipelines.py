"""What a team's code imports from Tidewheel: these names and no others, each loaded when it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tidewheel import pipelines
from tidewheel.pipelines import project_folder

SURFACE = [
    "PARTITION",
    "DataRefused",
    "FeatureInputs",
    "PartitionRange",
    "Pipeline",
    "SourceError",
    "SpecError",
    "add_last_values",
    "add_trailing_counts",
    "add_trailing_distinct_counts",
    "add_trailing_rates",
    "add_trailing_sums",
    "as_of_join",
    "column",
    "features_of",
    "partition_bounds",
    "pipeline_dags",
    "project_folder",
]
ROOT = Path(pipelines.__file__).parents[1]
HEAVY = ["airflow", "jobs", "mlflow", "numpy", "pandas", "plugins", "pyspark"]


def test_the_surface_is_these_names() -> None:
    assert pipelines.__all__ == SURFACE


def test_each_name_is_there_and_says_what_it_is_for() -> None:
    script = (
        "from tidewheel import pipelines\n"
        "for name in pipelines.__all__:\n"
        "    found = getattr(pipelines, name)\n"
        "    assert isinstance(found, str) or found.__doc__, name"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    missing = [name for name in SURFACE if name not in (pipelines.__doc__ or "")]
    assert missing == []


def test_nothing_heavy_is_loaded_before_it_is_used() -> None:
    """A DAG file is imported by each task, and a reader by a job that needs no Spark."""
    script = (
        "import sys; from tidewheel.pipelines import DataRefused, Pipeline, project_folder\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_another_name_is_an_error_that_lists_the_names() -> None:
    with pytest.raises(ImportError, match="cannot import name 'trailing_rates'"):
        exec("from tidewheel.pipelines import trailing_rates")
    with pytest.raises(AttributeError, match="expected one of PARTITION, DataRefused"):
        pipelines.trailing_rates  # noqa: B018


def test_the_example_and_what_new_writes_import_nothing_else_of_ours() -> None:
    templates = ROOT / "tidewheel" / "scaffold" / "templates"
    code = [*(ROOT / "dags").glob("*.py"), *(ROOT / "jobs/pipelines").rglob("*.py"), *templates.glob("*.py.txt")]
    assert len(code) > 8
    for file in code:
        for module in _imported(file):
            own = module.startswith("jobs.pipelines.")
            ours = module.split(".")[0] in ("bentos", "infra", "jobs", "plugins", "tidewheel")
            assert own or not ours or module == "tidewheel.pipelines", f"{file} imports {module}"


def test_a_reader_finds_the_projects_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("dags", "pipelines/shop"):
        (tmp_path / folder).mkdir(parents=True)
    monkeypatch.delenv("TIDEWHEEL_PROJECT", raising=False)
    monkeypatch.chdir(tmp_path / "pipelines" / "shop")

    assert project_folder() == tmp_path


def _imported(file: Path) -> list[str]:
    """Modules that a file imports; templates have `$` names in places where Python takes a name."""
    lines = [line for line in file.read_text().splitlines() if line.startswith(("from ", "import "))]
    found = []
    for node in ast.parse("\n".join(lines)).body:
        if isinstance(node, ast.ImportFrom):
            found.append(node.module or "")
        elif isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
    return found
