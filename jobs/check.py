"""Holds a pipeline's declaration against what it names: functions, the model, suites, DAG file.

Not a job: `python -m jobs.check NAME...` prints, for each pipeline, what is wrong with it and what may be, as JSON. It
is what `tidewheel validate` starts as a process of its own, since it imports a team's code and everything heavy.
"""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator

from jobs.checking.channels import channel_doubts, channel_mistakes
from jobs.checking.finding import Lines, Wrong, sentences
from jobs.checking.functions import function_doubts, function_mistakes
from jobs.checking.model import model_doubts, model_mistakes, served_doubts
from jobs.checking.source import source_doubts
from jobs.checking.suites import suite_mistakes
from jobs.packaging.form_doubts import form_doubts
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import Pipeline, find_pipeline
from tidewheel.spec.yaml_file import read_document


def check(pipeline: Pipeline, settings: Settings) -> list[str]:
    """What is wrong with a pipeline beyond its file, in sentences; an empty list where nothing is."""
    found = [
        *function_mistakes(pipeline),
        *model_mistakes(pipeline),
        *suite_mistakes(pipeline, settings),
        *channel_mistakes(pipeline),
        *_dag_file(pipeline, settings),
    ]
    return sentences(found, _lines(pipeline, settings))


def doubts(pipeline: Pipeline, settings: Settings) -> list[str]:
    """What may be wrong with a pipeline, in sentences: it works if this is meant, or if the environment is another."""
    found = [
        *function_doubts(pipeline),
        *model_doubts(pipeline),
        *served_doubts(pipeline, lambda model, rows: form_doubts(pipeline, model, rows.frame)),
        *source_doubts(pipeline),
        *channel_doubts(pipeline),
    ]
    return sentences(found, _lines(pipeline, settings))


def _lines(pipeline: Pipeline, settings: Settings) -> Lines:
    path = settings.pipelines_folder / f"{pipeline.name}.yaml"
    return read_document(path).lines if path.exists() else {}


def _dag_file(pipeline: Pipeline, settings: Settings) -> Iterator[Wrong]:
    path = settings.pipelines_folder / f"{pipeline.name}.py"
    if not path.exists():
        yield Wrong(
            (), f"{path} is missing, so Airflow shows no DAGs for it; copy another pipeline's, they are all the same"
        )


def main() -> None:
    """Print what is wrong, and what may be, with each pipeline that the command line names."""
    settings = load_settings()
    said = {}
    with contextlib.redirect_stdout(sys.stderr):  # a team's code may print, and what we print is read as JSON
        for name in sys.argv[1:]:
            pipeline = find_pipeline(settings.pipelines_folder, name)
            said[name] = {"wrong": check(pipeline, settings), "doubtful": doubts(pipeline, settings)}
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main()
