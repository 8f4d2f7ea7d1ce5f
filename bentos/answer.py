"""What the endpoint answers: as it is sent, and as the OpenAPI page documents it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pydantic_core
from pydantic import BaseModel, Field

from bentos.outputs import ONE_NUMBER, Outputs

if TYPE_CHECKING:
    from bentos.explainer import Explanation
    from bentos.predictor import Predictions


@dataclass(frozen=True, slots=True)
class PredictionResult:
    """An answer before it is written; the fields are those of `Answer`."""

    predictions: Predictions
    model_version: str
    colour: str
    request_id: str
    flags: list[dict[str, Any]]
    explanation: Explanation | None = None
    outputs: Outputs = ONE_NUMBER

    def to_json(self) -> bytes:
        """As `Answer` says."""
        return pydantic_core.to_json(self.fields())

    def to_arrow(self) -> bytes:
        """An Arrow IPC stream with the column `prediction`; all else is in its schema's metadata.

        A multiclass model has a column `probability_<class>` for each class besides. Where predictions are explained,
        each field has a column `contribution.<field>` besides.
        """
        fields = [field.with_nullable(False) for field in self.outputs.fields]
        arrays = self.outputs.arrays(self.predictions)
        metadata: dict[str, str | bytes] = {
            "model_version": self.model_version,
            "colour": self.colour,
            "request_id": self.request_id,
            "flags": pydantic_core.to_json(self.flags),
        }
        if explained := self.explanation:
            names = (f"contribution.{field}" for field in explained.fields)
            fields += [pa.field(name, pa.float64(), nullable=False) for name in names]
            arrays += [pa.array(values, pa.float64()) for values in explained.contributions.T]
            metadata |= {"explanation": pydantic_core.to_json({"unit": explained.unit, "base": explained.base})}
        schema = pa.schema(fields, metadata)
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as stream:
            stream.write_batch(pa.record_batch(arrays, schema=schema))
        return bytes(sink.getvalue())

    def fields(self) -> dict[str, Any]:
        """As an object of plain values."""
        fields: dict[str, Any] = {
            **self._predicted(),
            "model_version": self.model_version,
            "colour": self.colour,
            "request_id": self.request_id,
            "flags": self.flags,
        }
        if explained := self.explanation:
            rows = [dict(zip(explained.fields, row, strict=True)) for row in explained.contributions.tolist()]
            fields["explanation"] = {"unit": explained.unit, "base": explained.base, "contributions": rows}
        return fields

    def _predicted(self) -> dict[str, Any]:
        if not self.outputs.classes:
            return {"predictions": self.predictions.tolist()}
        return {
            "predictions": self.outputs.chosen(self.predictions),
            "probabilities": self.outputs.by_class(self.predictions),
        }


class Flag(BaseModel):
    """A value that was answered although training saw none like it."""

    row: int = Field(description="place in the request, from 0")
    field: str
    found: float | str
    expected: str


class Answer(BaseModel):
    """Predictions, one a row, and who made them."""

    predictions: list[float] = Field(description="one a row, in the order of the request")
    model_version: str = Field(description="version in the model registry")
    colour: str = Field(description="which of the two places answered: blue or green")
    request_id: str = Field(description="the x-request-id of the request, or a new one")
    flags: list[Flag] = Field(description="values unlike any that training saw, 100 at most")


class ClassAnswer(BaseModel):
    """Predicted classes, one a row, with the probability of each class, and who made them."""

    predictions: list[str | int] = Field(description="the most probable class of each row, in the order of the request")
    probabilities: list[dict[str, float]] = Field(description="one object a row: the probability of each class")
    model_version: str = Field(description="version in the model registry")
    colour: str = Field(description="which of the two places answered: blue or green")
    request_id: str = Field(description="the x-request-id of the request, or a new one")
    flags: list[Flag] = Field(description="values unlike any that training saw, 100 at most")


class Contributions(BaseModel):
    """What each field has added, exactly: base and contributions add up to the model's raw output."""

    unit: Literal["log_odds", "probability", "value", "log_value"] = Field(
        description="of the raw output: log-odds of the predicted probability, that probability, the predicted value, "
        "or its logarithm"
    )
    base: float = Field(description="the raw output where nothing is known of a row")
    contributions: list[dict[str, float]] = Field(description="one object a row: what each field adds to the base")


class ExplainedAnswer(Answer):
    """An answer with what it comes from, given where the query says `explain=true`."""

    explanation: Contributions


class Problem(BaseModel):
    """One thing that is wrong with a request."""

    row: int | None = Field(description="place in the request, from 0")
    field: str | None
    found: str
    expected: str


class Refusal(BaseModel):
    """Why a request was not answered."""

    error: str = Field(description="the first problem in a sentence")
    details: list[Problem] = Field(description="what is wrong, 20 at most")
    request_id: str
