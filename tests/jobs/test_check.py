"""Holding a declaration against the code and the expectations it names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jobs.check import check
from tidewheel.settings import Settings
from tidewheel.spec import Pipeline

CODE = """\
def orders(day): ...
def returns(day, extra=None): ...
def features(inputs): ...
def nothing(): ...
def two(day, more): ...
class Estimator: ...
"""


class Project:
    """A project whose pipeline `shop` is right, to be made wrong."""

    def __init__(self, folder: Path, module: str) -> None:
        self.settings = Settings(home=folder / "home", project=folder)
        self.module = module
        (folder / f"{module}.py").write_text(CODE)
        (folder / "dags").mkdir()
        (folder / "dags" / "shop.py").write_text("")
        self.suites = folder / "expectations" / "shop"
        self.suites.mkdir(parents=True)
        for name, column in {"raw": "amount", "features": "amount", "predictions": "prediction"}.items():
            self.suite(name, column)

    def suite(self, name: str, column: str, kind: str = "expect_column_values_to_not_be_null") -> None:
        expectations = [{"type": kind, "kwargs": {"column": column}, "severity": "critical"}]
        (self.suites / f"{name}.json").write_text(json.dumps({"name": name, "expectations": expectations}))

    def check(self, **changed: object) -> list[str]:
        functions = {"orders": "orders", "returns": "returns", "features": "features"} | {
            key: value for key, value in changed.items() if key in {"orders", "returns", "features"}
        }
        reader = {name: {"kind": "python", "function": f"{self.module}:{f}"} for name, f in functions.items()}
        content = {
            "name": "shop",
            "description": "d",
            "owner": {"team": "t"},
            "source": {"reader": reader["orders"], "event_time": "at", "entity_key": ["id"]},
            "labels": {"reader": reader["returns"], "column": "returned"},
            "features": {"transform": f"{self.module}:{functions['features']}", "numeric": ["amount"]},
            "training": changed.get("training", {}),
        }
        return check(Pipeline.model_validate(content), self.settings)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Project:
    monkeypatch.syspath_prepend(tmp_path)
    return Project(tmp_path, f"code_{abs(hash(request.node.name))}")


def test_a_pipeline_whose_parts_are_all_there_is_right(project: Project) -> None:
    assert project.check() == []


def test_a_function_that_is_not_there_is_named_with_the_nearest(project: Project) -> None:
    [found] = project.check(orders="order")

    assert found.startswith("source.reader.function: ")
    assert "has no function 'order', did you mean 'orders'?" in found


@pytest.mark.parametrize("wrong", ["nothing", "two"])
def test_a_function_with_another_signature_is_shown_as_it_is(project: Project, wrong: str) -> None:
    [reader] = project.check(returns=wrong)
    [transform] = project.check(features=wrong)

    signature = "()" if wrong == "nothing" else "(day, more)"
    assert reader.startswith(
        f"labels.reader.function: {project.module}:{wrong} takes {signature}; expected one argument"
    )
    assert transform.endswith("expected one argument, a jobs.data.feature_inputs.FeatureInputs")


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("def orders(day:\n", "SyntaxError: '(' was never closed"),
        ("import no_such_library\n", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise SystemExit('bye')\n", "SystemExit: bye"),
    ],
)
def test_a_module_that_cannot_be_imported_says_why(project: Project, code: str, said: str) -> None:
    (project.settings.project / f"{project.module}.py").write_text(code)

    found = project.check()

    assert len(found) == 3
    assert all("cannot be imported" in sentence and said in sentence for sentence in found)


def test_an_estimator_and_its_parameters_are_tried(project: Project) -> None:
    [unknown] = project.check(training={"estimator": f"{project.module}:Forest"})
    [no_estimator] = project.check(training={"estimator": f"{project.module}:Estimator"})
    [parameter] = project.check(training={"parameters": {"max_itre": 5}})

    assert "has no function 'Forest'" in unknown
    assert "cannot be built: AttributeError" in no_estimator
    assert "training.parameters" in parameter
    assert "max_itre" in parameter


def test_what_a_search_would_try_is_tried(project: Project) -> None:
    assert project.check(training={"search": {}}) == []
    [unknown] = project.check(training={"search": {"space": {"max_leafs": [15, 31]}}})
    assert unknown.startswith("training.search.space.max_leafs: 15 cannot be tried: ")
    assert "max_leafs" in unknown


def test_a_missing_or_broken_suite_is_named(project: Project) -> None:
    (project.suites / "raw.json").unlink()
    (project.suites / "features.json").write_text("{")
    project.suite("predictions", "amount", kind="expect_column_values_to_be_lovely")

    raw, features, predictions = project.check()

    assert "raw.json: no such file" in raw
    assert "features.json is not an expectation suite: JSONDecodeError" in features
    assert "predictions.json is not an expectation suite" in predictions
    assert "lovely" in predictions


def test_an_expectation_of_a_column_that_is_not_there_gets_a_hint(project: Project) -> None:
    project.suite("features", "amuont")
    project.suite("labels", "returned")

    [found] = project.check()

    assert (
        "expects something of column 'amuont', which the features of shop do not have, did you mean 'amount'?" in found
    )


def test_a_missing_dag_file_is_named(project: Project) -> None:
    (project.settings.pipelines_folder / "shop.py").unlink()

    [found] = project.check()

    assert "shop.py is missing, so Airflow shows no DAGs for it" in found
