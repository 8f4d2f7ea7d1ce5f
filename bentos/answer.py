"""What the endpoint answers, as the OpenAPI page documents it."""

from __future__ import annotations

from pydantic import BaseModel, Field


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
