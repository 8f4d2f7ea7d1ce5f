"""What each field of a row adds to its prediction, exactly, from what was packaged beside the model.

Of a linear model a field adds its coefficients times its prepared values. Of trees it adds its Shapley value, where a
field that is not looked at follows both branches, each by its share of the training rows (Lundberg et al., "From Local
Explanations to Global Understanding with Explainable AI for Trees", Nature Machine Intelligence 2, 2020, algorithm 1;
XGBoost's `pred_contribs` are the same). A leaf is reached by a product of one factor for each field of its path, so the
field's Shapley value there is `value * (one - zero) * integral over t of the product of the others' factors
zero + t * (one - zero)`: a polynomial in t, which Gauss and Legendre's points integrate without error.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from bentos.encoding import Columns, Encoding, Matrix

ABOUT, ENCODING = "about.json", "encoding.json"
NOTHING: Mapping[str, str] = {"kind": "none", "reason": "it was packaged without what that takes"}
MOST_ROWS = 100
"""In one request with `explain=true`."""
MOST_WORK = 20_000_000
"""Factors that are multiplied for one request: about a second."""
BLOCK = 4096
"""Paths that are computed together."""


@dataclass(frozen=True)
class Explanation:
    """What was added to a base to come to the model's raw output.

    Attributes:
        unit: of base and contributions: log_odds, probability, value, or log_value.
        base: the output where nothing is known of a row.
        fields: names, in the order of the columns of `contributions`.
        contributions: one line a row, one column a field.
    """

    unit: str
    base: float
    fields: tuple[str, ...]
    contributions: Matrix

    @property
    def outputs(self) -> Matrix:
        """The model's raw output of each row."""
        total: Matrix = self.base + self.contributions.sum(axis=1)
        return total

    @property
    def predictions(self) -> Matrix:
        """What the model predicts by that."""
        match self.unit:
            case "log_odds":
                predictions: Matrix = 0.5 * (1 + np.tanh(self.outputs / 2))
            case "log_value":
                predictions = np.exp(self.outputs)
            case _:
                predictions = self.outputs
        return predictions


class Additive(Protocol):
    """What is left of a model for explaining it."""

    @property
    def work(self) -> int:
        """Factors that one row takes."""
        ...

    def contributions(self, row: Matrix, fields: int) -> Matrix:
        """What each field adds to the base for one prepared row."""
        ...


@dataclass(frozen=True)
class Linear:
    """Coefficients.

    Attributes:
        coefficients: by position of the prepared row.
        owner: field of each position, -1 for one that never changes.
    """

    coefficients: Matrix
    owner: Matrix

    @property
    def work(self) -> int:
        """Factors that one row takes."""
        return len(self.coefficients)

    def contributions(self, row: Matrix, fields: int) -> Matrix:
        """What each field adds to the base for one prepared row."""
        mine = self.owner >= 0
        return np.bincount(self.owner[mine], (self.coefficients * row)[mine], minlength=fields)


@dataclass(frozen=True)
class Trees:
    """The paths to all leaves of all trees, those with equally many fields beside each other.

    Attributes:
        position: of the prepared row, that a node looks at.
        threshold: a node sends what is at most this to the left.
        missing_left: whether it sends a missing value there.
        edge_node: node of each edge of each path.
        edge_left: whether the edge goes to the left.
        starts: first edge of each field of each path.
        field: of each of these.
        zero: share of the training rows that follow those edges of the field.
        value: of each path's leaf.
        sizes: pairs of a number of fields and how many paths have so many.
    """

    position: Matrix
    threshold: Matrix
    missing_left: Matrix
    edge_node: Matrix
    edge_left: Matrix
    starts: Matrix
    field: Matrix
    zero: Matrix
    value: Matrix
    sizes: Matrix

    @property
    def work(self) -> int:
        """Factors that one row takes."""
        return int(sum(count * size * points(size) for size, count in self.sizes.tolist()))

    def contributions(self, row: Matrix, fields: int) -> Matrix:
        """What each field adds to the base for one prepared row."""
        if not len(self.starts):
            return np.zeros(fields)
        values = row[self.position]
        left = np.where(np.isnan(values), self.missing_left, values <= self.threshold)
        ones = np.logical_and.reduceat(left[self.edge_node] == self.edge_left, self.starts).astype(np.float64)
        added = np.empty(len(self.field))
        for block in self._blocks:
            apart = ones[block.places].reshape(block.zero.shape[::-1]).T - block.zero
            others = np.zeros_like(block.zero)
            for at, weight in block.quadrature:
                factors = block.zero + at * apart
                others += factors.prod(axis=0) * (weight * block.value) / factors
            added[block.places] = (apart * others).T.ravel()
        return np.bincount(self.field, added, minlength=fields)

    @cached_property
    def _blocks(self) -> tuple[_Block, ...]:
        """Paths of equally many fields, as many as the processor's caches take well."""
        blocks, place, path = list[_Block](), 0, 0
        for size, count in self.sizes.tolist():
            at, weights = np.polynomial.legendre.leggauss(points(size))
            quadrature = tuple(zip(((at + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))
            for first in range(0, count, BLOCK):
                some = min(BLOCK, count - first)
                places = slice(place, place + some * size)
                zero = np.ascontiguousarray(self.zero[places].reshape(some, size).T)
                blocks.append(_Block(places, zero, self.value[path : path + some], quadrature))
                place, path = place + some * size, path + some
        return tuple(blocks)


@dataclass(frozen=True)
class _Block:
    """Some paths of equally many fields.

    Attributes:
        places: of their fields.
        zero: one line a field, one column a path: so the product over a path's fields is one over lines, which is fast.
        value: of each path.
        quadrature: points from 0 to 1 and their weights.
    """

    places: slice
    zero: Matrix
    value: Matrix
    quadrature: tuple[tuple[float, float], ...]


def points(fields: int) -> int:
    """Points at which a product of so many factors, less one, is integrated without error."""
    return (fields + 1) // 2


@dataclass(frozen=True)
class Explainer:
    """Explains predictions of one model."""

    unit: str
    base: float
    encoding: Encoding
    kind: type[np.floating[Any]]
    model: Additive

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns of the contract, numbers first."""
        return tuple(column.name for column in self.encoding.columns)

    @property
    def most_rows(self) -> int:
        """How many rows one request may have."""
        return max(1, min(MOST_ROWS, MOST_WORK // max(1, self.model.work)))

    def __call__(self, columns: Columns) -> Explanation:
        """Explain rows.

        Raises:
            UnknownCategory: a value that the model cannot take.
        """
        # As precisely as the model itself sees its inputs.
        matrix = self.encoding.matrix(columns, self.kind).astype(np.float64)
        rows = [self.model.contributions(row, len(self.fields)) for row in matrix]
        return Explanation(self.unit, self.base, self.fields, np.array(rows).reshape(-1, len(self.fields)))


def pack(
    about: Mapping[str, Any], encoding: Encoding | None = None, arrays: Mapping[str, Matrix] | None = None
) -> bytes:
    """What `unpack` reads; the same bytes for the same parts."""
    parts = {ABOUT: json.dumps(about, sort_keys=True).encode()}
    if encoding is not None:
        parts[ENCODING] = encoding.to_json()
    for name, array in (arrays or {}).items():
        written = io.BytesIO()
        np.lib.format.write_array(written, np.ascontiguousarray(array), allow_pickle=False)
        parts[name] = written.getvalue()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)  # ZipInfo: no clock in it
    return buffer.getvalue()


def unpack(content: bytes) -> Explainer | str:
    """Open what was packaged to explain a model.

    Returns:
        What explains it; or why nothing does, as the rest of a sentence that begins with the model.
    """
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        about = json.loads(archive.read(ABOUT))
        if about["kind"] == "none":
            return str(about["reason"])
        arrays = {
            name: np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
            for name in archive.namelist()
            if name not in (ABOUT, ENCODING)
        }
        encoding = Encoding.from_json(archive.read(ENCODING))
    model: Additive = Linear(**arrays) if about["kind"] == "linear" else Trees(**arrays)
    kind = np.float32 if about["single_precision"] else np.float64
    return Explainer(about["unit"], about["base"], encoding, kind, model)
