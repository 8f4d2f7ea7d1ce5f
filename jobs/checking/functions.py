"""Whether the functions that a pipeline names are there and can be called as they will be, and its files reached."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from typing import Any

from jobs.checking.finding import Wrong, reason
from jobs.data.code_reference import resolve
from tidewheel.errors import SpecError
from tidewheel.spec import Pipeline
from tidewheel.spec.sections import FileReader, PythonReader, SqlReader

TRANSFORM = ("features", "transform")
FORMATS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet"}
PACKED = (".gz", ".bz2", ".zst")


def function_mistakes(pipeline: Pipeline) -> Iterator[Wrong]:
    """What is wrong with readers and transform."""
    for section, reader in (("source", pipeline.source.reader), ("labels", pipeline.labels.reader)):
        match reader:
            case PythonReader():
                key = (section, "reader", "function")
                yield from _function(key, reader.function, "the day to read (datetime.date)")
            case FileReader():
                yield from _address((section, "reader", "path"), reader.path)
    transform = pipeline.features.transform
    yield from _function(TRANSFORM, transform, "a jobs.data.feature_inputs.FeatureInputs")


def function_doubts(pipeline: Pipeline) -> Iterator[Wrong]:
    """What may be wrong with readers: environment variables may be set elsewhere, names may mislead."""
    named = [((section, "reader"), getattr(pipeline, section).reader) for section in ("source", "labels")]
    variables: list[tuple[tuple[str, ...], str]] = [
        ((*key, "url_variable"), reader.url_variable) for key, reader in named if isinstance(reader, SqlReader)
    ]
    for place, variable in variables:
        if not os.environ.get(variable):
            yield Wrong(place, f"{variable} is not set in this environment; the jobs need it in theirs")
    for key, reader in named:
        if isinstance(reader, FileReader) and (other := _format(reader.path)) not in {None, reader.kind}:
            yield Wrong((*key, "kind"), f"found {reader.kind!r}, but {reader.path} is called like {other}")


def _function(key: tuple[str, ...], reference: str, argument: str) -> Iterator[Wrong]:
    try:
        function = resolve(reference)
    except SpecError as error:
        yield Wrong(key, str(error))
    except (Exception, SystemExit) as error:  # a team's module may fail in any way while it is imported
        yield Wrong(key, f"{reference} cannot be imported: {reason(error)}")
    else:
        if not _takes_one_argument(function):
            yield Wrong(key, f"{reference} takes {inspect.signature(function)}; expected one argument, {argument}")
        elif wrong := _never_a_table(function):
            yield Wrong(key, f"{reference} is {wrong}; expected a function that returns a table")


def _takes_one_argument(function: Callable[..., Any]) -> bool:
    try:
        inspect.signature(function).bind(None)
    except TypeError:
        return False
    except ValueError:  # of a function that is not written in Python, nothing is known
        return True
    return True


def _never_a_table(function: Callable[..., Any]) -> str:
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        return "an async function"
    return "a generator" if inspect.isgeneratorfunction(function) else ""


def _address(key: tuple[str, ...], path: str) -> Iterator[Wrong]:
    """A protocol that no package here speaks; whether anything lies there, only a day can show."""
    if "://" not in path:
        return
    import fsspec

    protocol = path.partition("://")[0].split("::")[-1]
    try:
        fsspec.get_filesystem_class(protocol)
    except ValueError:
        yield Wrong(key, f"found {path[:200]!r}; fsspec knows no {protocol!r}; expected for example s3:// or file://")
    except ImportError as error:
        yield Wrong(key, f"found {path[:200]!r}; {protocol} needs a package that is not installed: {error}")


def _format(path: str) -> str | None:
    name = path.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return next((kind for ending, kind in FORMATS.items() if name.endswith(ending)), None)
