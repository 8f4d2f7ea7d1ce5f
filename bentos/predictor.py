"""A compiled model: columns in, predictions out.

Three forms, by `format`: `onnx` and `treelite` are a zip of `encoding.json` and the estimator alone; `native` is the
scikit-learn pipeline itself, pickled, for whatever the other two cannot say exactly.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from bentos.encoding import Coded, Columns, Encoding, Matrix, Values

Predictions = np.ndarray[Any, np.dtype[np.float64]]

ENCODING = "encoding.json"
MODEL = "model"
Predictor = Callable[[Columns], Predictions]


def load(format: str, content: bytes, width: int = 1) -> Predictor:
    """Make a compiled model ready to answer, on one thread.

    Args:
        format: `onnx`, `treelite` or `native`.
        content: what the compiler made.
        width: numbers that the model gives for a row: 1, or of a multiclass model the number of its classes.

    Returns:
        A function from columns to one float64 a row, or to one row of `width` float64 a row.
    """
    match format:
        case "onnx":
            return _onnx(*_unpack(content), width)
        case "treelite":
            return _treelite(*_unpack(content), width)
        case "native":
            return _native(content)
        case _:
            raise ValueError(f"model format {format!r}: expected onnx, treelite or native")


def pack(encoding: Encoding, model: bytes) -> bytes:
    """Put encoding and estimator into one zip, the same bytes for the same parts."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ((ENCODING, encoding.to_json()), (MODEL, model)):
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # ZipInfo: no clock in it
    return buffer.getvalue()


def _unpack(content: bytes) -> tuple[Encoding, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return Encoding.from_json(archive.read(ENCODING)), archive.read(MODEL)


def _onnx(encoding: Encoding, model: bytes, width: int) -> Predictor:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    output = session.get_outputs()[-1].name  # a classifier's first output is the label

    def predict(columns: Columns) -> Predictions:
        return _answers(session.run([output], {"X": encoding.matrix(columns, np.float32)})[0], width)

    return predict


def _treelite(encoding: Encoding, model: bytes, width: int) -> Predictor:
    import treelite

    forest = treelite.Model.deserialize_bytes(model)
    kind = np.float32 if forest.input_type == "float32" else np.float64

    def predict(columns: Columns) -> Predictions:
        return _answers(treelite.gtil.predict(forest, encoding.matrix(columns, kind), nthread=1), width)

    return predict


def _native(content: bytes) -> Predictor:
    import pandas as pd

    # Pickle runs code: this one was written by our own compiler, beside the service that reads it.
    model, task, names = pickle.loads(content)  # noqa: S301

    def predict(columns: Columns) -> Predictions:
        numbers, categories = iter(columns.numbers.T), map(_texts, columns.categories)
        frame = pd.DataFrame({name: next(numbers if number else categories) for name, number in names.items()})
        answer = model.predict(frame) if task == "regression" else model.predict_proba(frame)
        return np.asarray(answer[:, 1] if task == "classification" else answer, dtype=np.float64)

    return predict


def _texts(values: Values) -> Matrix:
    if isinstance(values, Coded):
        return values.expanded()
    texts = np.empty(len(values), dtype=object)
    texts[:] = values
    return texts


def _answers(answer: Matrix, width: int) -> Predictions:
    """The last number of each row (the probability of label 1, or the value); of a multiclass model all of them.

    Raises:
        ValueError: the model gives another number of probabilities than it has classes.
    """
    rows = np.asarray(answer, dtype=np.float64).reshape(len(answer), -1)
    if width == 1:
        return rows[:, -1]
    if rows.shape[1] != width:
        raise ValueError(f"the model gives {rows.shape[1]} numbers for a row, expected {width}, one for each class")
    return rows
