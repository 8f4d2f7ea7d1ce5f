"""What the endpoint answers: as it is sent, and as the OpenAPI page documents it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pydantic_core
from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from bentos.predictor import Predictions


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer before it is written; the fields are those of `Answer`."""

    predictions: Predictions
    model_version: str
    colour: str
    request_id: str
    flags: list[dict[str, Any]]

    def to_json(self) -> bytes:
        """As `Answer` says."""
        return pydantic_core.to_json(self.fields())

    def to_arrow(self) -> bytes:
        """An Arrow IPC stream with the column `prediction`; all else is in its schema's metadata."""
        said = {"model_version": self.model_version, "colour": self.colour, "request_id": self.request_id}
        schema = pa.schema(
            [pa.field("prediction", pa.float64(), nullable=False)],
            {**said, "flags": pydantic_core.to_json(self.flags)},
        )
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, schema) as stream:
            stream.write_batch(pa.record_batch([pa.array(self.predictions, pa.float64())], schema=schema))
        return bytes(sink.getvalue())

    def fields(self) -> dict[str, Any]:
        """As an object of plain values."""
        return {
            "predictions": self.predictions.tolist(),
            "model_version": self.model_version,
            "colour": self.colour,
            "request_id": self.request_id,
            "flags": self.flags,
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
