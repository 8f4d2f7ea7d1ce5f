"""A model in its fastest exact form: ONNX Runtime, else treelite, else scikit-learn itself, chosen by measuring."""

from __future__ import annotations

import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from bentos.encoding import Category, Columns, Encoding, Number
from bentos.predictor import load, pack
from jobs.models.portable import dump_model
from jobs.models.prediction import FeatureColumns, predict
from jobs.packaging.catboost_trees import catboost_onnx, is_catboost
from jobs.packaging.net_onnx import is_net, net_onnx

if TYPE_CHECKING:
    from bentos.contract import Contract

TOLERANCE = 1e-5
"""Largest difference of a form that counts as exact: a decision tree is either right or far off."""
MUCH_FASTER = 2.0
"""A later form is taken over an earlier one only where it is this many times faster, so that noise decides nothing."""
TIMED_CALLS, TIMED_SECONDS = 200, 0.3
DRAWN_ROWS = 4000
LARGEST_TABLE = 5e7
"""Numbers that the first steps may make of all values of all columns, one by one."""
UNSEEN = "\x00 never seen in training"


class NotExpressible(Exception):
    """A form cannot say this model; the sentence says why."""


@dataclass(frozen=True)
class Candidate:
    """One form of a model, and how it did.

    Attributes:
        format: as `bentos.predictor.load` knows it.
        content: the compiled model, empty where the form cannot say it.
        max_difference: largest difference of compiled and offline over the given rows.
        milliseconds: median time of one row.
        refused: why this form was not taken, empty where it could be.
    """

    format: str
    content: bytes = b""
    max_difference: float = float("nan")
    milliseconds: float = float("nan")
    refused: str = ""


@dataclass(frozen=True)
class CompiledModel:
    """The form that was chosen, and the ones it was chosen from."""

    format: str
    content: bytes
    max_difference: float
    milliseconds: float
    candidates: tuple[Candidate, ...]


def compile_model(
    model: Any, contract: Contract, frame: pd.DataFrame, tolerance: float = TOLERANCE, form: str = ""
) -> CompiledModel:
    """Compile a model to the fastest form that answers as it does.

    Args:
        model: fitted scikit-learn Pipeline: steps that prepare columns, then an estimator.
        contract: names and types of its columns, and its task.
        frame: rows to compare on, as `jobs.models.prediction.model_frame` makes them; the more, the surer.
        tolerance: largest difference of compiled and offline that counts as exact.
        form: the one that was chosen when the model was compiled before: a machine that is busy now decides nothing.

    Returns:
        That form where it is exact, else the first of onnx, treelite and native that is, unless a later one is much
        faster.
    """
    makers: dict[str, Callable[[], bytes]] = {
        "onnx": lambda: pack(encoding_of(model, contract), _to_onnx(model[-1])),
        "treelite": lambda: pack(encoding_of(model, contract), _to_treelite(model[-1])),
        "native": lambda: native_form(model, contract),
    }
    offline = predict(model, frame, contract.task)
    columns, one = columns_of(frame, contract), columns_of(frame.head(1), contract)
    candidates = tuple(_judge(format, make, columns, one, offline, tolerance) for format, make in makers.items())
    exact = [candidate for candidate in candidates if not candidate.refused]
    chosen = next((candidate for candidate in exact if candidate.format == form), None) or _fastest(exact)
    return CompiledModel(chosen.format, chosen.content, chosen.max_difference, chosen.milliseconds, candidates)


def _fastest(exact: Sequence[Candidate]) -> Candidate:
    chosen = exact[0]
    for later in exact[1:]:
        if later.milliseconds * MUCH_FASTER < chosen.milliseconds:
            chosen = later
    return chosen


def comparison_frame(contract: Contract, rows: int = DRAWN_ROWS) -> pd.DataFrame:
    """Rows to compare forms on: the golden rows, and many drawn from all that the contract allows.

    Each drawn value is independent of the others: within its column's range, one of its categories, an unknown
    category, or missing. Such rows visit far more of a model than real ones do, and are the same every time.
    """
    draw = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for column in contract.columns:
        golden = [golden.row[column.name] for golden in contract.golden_rows]
        if column.type == "number":
            drawn = _between(column.minimum or 0.0, column.maximum or 0.0, draw.random(rows))
            if column.nullable:
                drawn[draw.random(rows) < 0.1] = np.nan
            columns[column.name] = pd.Series([*golden, *drawn], dtype="float64")
        else:
            known = np.array([*column.categories, UNSEEN, *([None] if column.nullable else [])], dtype=object)
            columns[column.name] = pd.Series([*golden, *draw.choice(known, rows)], dtype=object)
    return pd.DataFrame(columns)


def _between(low: float, high: float, share: Any) -> Any:
    """Numbers of a range that may be as wide as there are numbers: its width would be infinite."""
    return low * (1 - share) + high * share


def largest_difference(served: Any, offline: Any) -> float:
    """Largest |served - offline|, relative to the offline prediction where that is beyond 1."""
    return float(np.max(np.abs(served - offline) / np.maximum(1.0, np.abs(offline))))


def columns_of(frame: pd.DataFrame, features: FeatureColumns) -> Columns:
    """A frame as a compiled model takes it."""
    categories = tuple(frame[name].tolist() for name in features.categorical)
    return Columns(frame[features.numeric].to_numpy(np.float64), categories)


def encoding_of(model: Any, contract: Contract) -> Encoding:
    """Find out what the steps before the estimator do to each column, by asking them.

    Every step the platform makes treats columns one by one: numbers by a line (taken as they are, filled, scaled),
    categories by a table (ordinal, one-hot). So one row as a base, and for each column a row for each thing that
    column can be, say everything; what is not of that kind is found out and not expressible.

    Raises:
        NotExpressible: a step mixes columns, or treats a number in another way than by a line.
    """
    base = {c.name: 0.0 if c.type == "number" else (c.categories or (UNSEEN,))[0] for c in contract.columns}
    probes: list[dict[str, Any]] = [base]
    slots: dict[str, list[int]] = {}
    for column in contract.columns:
        values: tuple[Any, ...]
        values = (1.0, -2.0, None) if column.type == "number" else (*column.categories, UNSEEN, None)
        slots[column.name] = list(range(len(probes), len(probes) + len(values)))
        probes += [{**base, column.name: value} for value in values]
    frame = pd.DataFrame(
        {
            c.name: pd.Series([row[c.name] for row in probes], dtype="float64" if c.type == "number" else object)
            for c in contract.columns
        }
    )
    try:
        answer = model[:-1].transform(frame)
    except (ValueError, TypeError) as error:
        raise NotExpressible(f"its first steps refuse unusual values: {error}") from error
    if np.prod(answer.shape, dtype=float) > LARGEST_TABLE:
        raise NotExpressible(f"a table of what its first steps make of {len(probes):,} values would be too large")
    matrix = np.asarray(answer.todense() if hasattr(answer, "todense") else answer, dtype=np.float64)
    return _read_encoding(contract, matrix, slots)


def _read_encoding(contract: Contract, matrix: Any, slots: dict[str, list[int]]) -> Encoding:
    base, numbers, categories = matrix[0], [], []
    owner: dict[int, str] = {}
    for column in contract.columns:
        rows = matrix[slots[column.name]]
        same = (rows == base) | (np.isnan(rows) & np.isnan(base))
        positions = tuple(int(n) for n in np.flatnonzero(~same.all(axis=0)))
        for position in positions:
            if owner.setdefault(position, column.name) != column.name:
                raise NotExpressible(f"its first steps mix the columns {owner[position]!r} and {column.name!r}")
        mine = rows[:, positions]
        if column.type == "number":
            at_zero, (at_one, at_minus_two, missing) = base[list(positions)], mine
            factors = at_one - at_zero
            if not np.allclose(at_minus_two, at_zero - 2 * factors, rtol=1e-9, atol=1e-12):
                raise NotExpressible(f"its first steps do more to {column.name!r} than fill and scale it")
            parts = (factors, at_zero, missing)
            numbers.append(Number(column.name, positions, *(tuple(map(float, part)) for part in parts)))
        else:
            *known, unknown, none = (tuple(map(float, row)) for row in mine)
            table = dict(zip(column.categories, known, strict=True))
            categories.append(Category(column.name, positions, table, unknown, none))
    return Encoding(tuple(map(float, base)), tuple(numbers), tuple(categories))


def _judge(
    format: str,
    make: Callable[[], bytes],
    columns: Columns,
    one: Columns,
    offline: Any,
    tolerance: float,
) -> Candidate:
    try:
        content = make()
        answer = load(format, content, 1 if offline.ndim == 1 else offline.shape[1])
        served = answer(columns)
    except Exception as error:
        # Converters raise whatever their authors thought of; a form that fails is a form not taken, and the reason
        # is used. The native form has nothing behind it, so there it is an error.
        if format == "native":
            raise
        return Candidate(format, refused=f"{type(error).__name__}: {str(error).splitlines()[0][:300]}")
    difference = largest_difference(served, offline)
    milliseconds = _milliseconds(lambda: answer(one))
    refused = ""
    if format != "native" and not difference <= tolerance:
        refused = f"differs by up to {difference:.2g} from the model, more than {tolerance:g}"
    return Candidate(format, content, difference, milliseconds, refused)


def _milliseconds(call: Callable[[], object]) -> float:
    call()
    times: list[float] = []
    while len(times) < TIMED_CALLS and sum(times) < TIMED_SECONDS:
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times) * 1000


def _to_onnx(estimator: Any) -> bytes:
    if is_catboost(estimator):
        return catboost_onnx(estimator)
    if is_net(estimator):
        return net_onnx(estimator)
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType

    options = {id(estimator): {"zipmap": False}} if hasattr(estimator, "predict_proba") else None
    with _plain_attributes(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the converter's, about versions of its own operators
        converted = to_onnx(
            estimator,
            initial_types=[("X", FloatTensorType([None, estimator.n_features_in_]))],
            options=options,
            target_opset={"": 21, "ai.onnx.ml": 3},
        )
    return bytes(converted.SerializeToString())


@contextmanager
def _plain_attributes() -> Iterator[None]:
    """Let skl2onnx 1.20 convert HistGradientBoosting, whose trees hold NumPy booleans that ONNX refuses."""
    from skl2onnx.common import _container

    original = _container.make_node

    def plain(value: Any) -> Any:
        if not isinstance(value, list):
            return value
        items = [item.item() if isinstance(item, np.generic) else item for item in value]
        return [int(item) for item in items] if any(isinstance(item, bool) for item in items) else items

    def make_node(*arguments: Any, **attributes: Any) -> Any:
        return original(*arguments, **{name: plain(value) for name, value in attributes.items()})

    _container.make_node = make_node
    try:
        yield
    finally:
        _container.make_node = original


def _to_treelite(estimator: Any) -> bytes:
    import treelite

    if hasattr(estimator, "booster_"):
        forest = treelite.frontend.from_lightgbm(estimator.booster_)
    elif hasattr(estimator, "get_booster"):
        forest = treelite.frontend.from_xgboost(estimator.get_booster())
    else:
        forest = treelite.sklearn.import_model(estimator)
    return bytes(forest.serialize_bytes())


def native_form(model: Any, contract: Contract) -> bytes:
    """The model itself, as `bentos.predictor` opens it.

    Args:
        model: the fitted model.
        contract: names and types of its columns, and its task.

    Raises:
        ModelRefused: something in it cannot be written.
    """
    names = {column.name: column.type == "number" for column in contract.columns}
    return dump_model((model, contract.task, names))
