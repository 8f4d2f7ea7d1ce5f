"""Holds a pipeline's declaration against what it names: functions with the right signature, suites, DAG file.

Not a job: `python -m jobs.check NAME...` prints, for each pipeline, what is wrong with it, as JSON. It is what
`tidewheel validate` starts as a process of its own, since it imports a team's code and everything heavy.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

from jobs.data.code_reference import resolve
from jobs.data.expectations import load_suite
from jobs.training.estimators import build_model
from jobs.training.search_space import first_values
from tidewheel.errors import SpecError, did_you_mean
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import Pipeline, find_pipeline
from tidewheel.spec.sections import PythonReader

SUITES = ("raw", "features", "predictions")
OPTIONAL_SUITES = ("labels",)
COLUMN_ARGUMENTS = ("column", "column_A", "column_B", "column_list", "column_set")


def check(pipeline: Pipeline, settings: Settings) -> list[str]:
    """What is wrong with a pipeline beyond its file, in sentences; an empty list where nothing is."""
    return [*_functions(pipeline), *_estimator(pipeline), *_suites(pipeline, settings), *_dag_file(pipeline, settings)]


def _functions(pipeline: Pipeline) -> Iterator[str]:
    for key, reader in (("source.reader", pipeline.source.reader), ("labels.reader", pipeline.labels.reader)):
        if isinstance(reader, PythonReader):
            yield from _function(f"{key}.function", reader.function, "the day to read (datetime.date)")
    yield from _function("features.transform", pipeline.features.transform, "a jobs.data.feature_inputs.FeatureInputs")


def _function(key: str, reference: str, argument: str) -> Iterator[str]:
    try:
        function = resolve(reference)
    except SpecError as error:
        yield f"{key}: {error}"
    except (Exception, SystemExit) as error:  # a team's module may fail in any way while it is imported
        yield f"{key}: {reference} cannot be imported: {_said(error)}"
    else:
        if not _takes_one_argument(function):
            yield f"{key}: {reference} takes {inspect.signature(function)}; expected one argument, {argument}"


def _takes_one_argument(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # of a function that is not written in Python, nothing is known
        return True
    return True


def _estimator(pipeline: Pipeline) -> Iterator[str]:
    try:
        build_model(pipeline.training, pipeline.features, pipeline.task)
    except SpecError as error:
        yield f"training.estimator: {error}"
    except (Exception, SystemExit) as error:  # as above: the estimator may be a function of the team's own
        yield f"training.estimator: {pipeline.training.estimator} cannot be built: {_said(error)}"
    else:
        yield from _search_space(pipeline)


def _search_space(pipeline: Pipeline) -> Iterator[str]:
    """An estimator that does not know a parameter of the space would fail in the middle of a night."""
    training = pipeline.training
    if training.search is None:
        return
    try:
        drawn = {**training.parameters, **first_values(training, pipeline.task)}
        build_model(training.model_copy(update={"parameters": drawn}), pipeline.features, pipeline.task)
    except Exception as error:  # as above
        yield f"training.search.space: {_said(error)}"


def _suites(pipeline: Pipeline, settings: Settings) -> Iterator[str]:
    folder = settings.expectations_folder / pipeline.name
    key_and_time = [*pipeline.key, pipeline.source.event_time]
    columns = {
        "features": [*key_and_time, *pipeline.features.columns],
        "labels": [*pipeline.key, pipeline.labels.column],
    }
    for name in (*SUITES, *OPTIONAL_SUITES):
        path = folder / f"{name}.json"
        if name in OPTIONAL_SUITES and not path.exists():
            continue
        try:
            suite = load_suite(path)
        except SpecError as error:
            yield str(error)
            continue
        if known := columns.get(name):
            for column in _columns_of(suite.to_json_dict()):
                if column not in known:
                    yield (
                        f"{path}: expects something of column {column!r}, which the {name} of {pipeline.name} do not "
                        f"have{did_you_mean(column, known)}"
                    )


def _columns_of(suite: dict[str, Any]) -> list[str]:
    found: set[str] = set()
    for expectation in suite["expectations"]:
        for argument in COLUMN_ARGUMENTS:
            value = expectation["kwargs"].get(argument) or []
            found.update([value] if isinstance(value, str) else value)
    return sorted(found)


def _dag_file(pipeline: Pipeline, settings: Settings) -> Iterator[str]:
    path = settings.pipelines_folder / f"{pipeline.name}.py"
    if not path.exists():
        yield f"{path} is missing, so Airflow shows no DAGs for it; copy another pipeline's, they are all the same"


def _said(error: BaseException) -> str:
    place = f" ({error.filename}, line {error.lineno})" if isinstance(error, SyntaxError) else ""
    return f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}{place}"


def main() -> None:
    """Print what is wrong with each pipeline that the command line names."""
    settings = load_settings()
    with contextlib.redirect_stdout(sys.stderr):  # a team's code may print, and what we print is read as JSON
        wrong = {name: check(find_pipeline(settings.pipelines_folder, name), settings) for name in sys.argv[1:]}
    sys.stdout.write(json.dumps(wrong) + "\n")


if __name__ == "__main__":
    main()
