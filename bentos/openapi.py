"""The OpenAPI document of the endpoint: addresses are relative, so that it works under any prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic.json_schema import models_json_schema

from bentos.answer import Answer, ClassAnswer, ExplainedAnswer, PredictionResult, Refusal
from bentos.explainer import Explainer
from bentos.problems import quantity
from bentos.request_body import BODY_SECONDS
from bentos.request_head import ARROW, EXPLAIN, PARQUET

if TYPE_CHECKING:
    from pydantic import BaseModel

    from bentos.loaded_model import LoadedModel

REFERENCE = "#/components/schemas/{model}"
REFUSALS = {
    "400": "the body is not what its content type says",
    "401": "a token is required, and none of the accepted ones was sent",
    "408": f"the body was not complete within {BODY_SECONDS:g} seconds",
    "413": "too many rows (fewer where they are explained) or bytes, or more than may be used to decode them",
    "415": "another content type than these, or a content encoding other than gzip",
    "422": "the rows are not what the contract says, or this model cannot be explained",
    "503": "too many large requests at the same time",
}
TABLE = "The columns are the fields of a row, under their names; numbers as any integer or float, texts as string or \
dictionary, a missing value as null."
ARROW_REQUEST = f"An Arrow IPC stream, uncompressed. {TABLE}"
PARQUET_REQUEST = f"A Parquet file. {TABLE}"
ARROW_ANSWER = "An Arrow IPC stream with the column `prediction`; `model_version`, `colour`, `request_id` and `flags` \
(as JSON) are metadata of its schema. A model of several classes has the most probable one in `prediction`, and a \
column `probability_<class>` for each. Explained, it has a column `contribution.<field>` for each field, and \
`explanation` (unit and base, as JSON) in the metadata. Sent where the request accepts it."


def document(model: LoadedModel) -> dict[str, Any]:
    """Describe the endpoint of a model."""
    packaged = model.packaged
    request = model.reader.adapter.json_schema(ref_template=REFERENCE)
    schemas = request.pop("$defs", {})
    responses: list[type[BaseModel]] = [ClassAnswer] if packaged.contract.outputs.classes else [Answer, ExplainedAnswer]
    documented: list[type[BaseModel]] = [*responses, Refusal]
    _, answers = models_json_schema([(each, "serialization") for each in documented], ref_template=REFERENCE)
    golden = packaged.contract.golden_rows[0]
    example = {"rows": [dict(golden.row)]}
    predicted = np.array([golden.prediction])
    answer_example = PredictionResult(
        predicted, packaged.version, model.colour, "4f8a1c", [], outputs=packaged.contract.outputs
    ).fields()
    predict = {
        "summary": "Predict one row or many",
        "description": f"{packaged.description} Each prediction is a {packaged.meaning}. "
        f"At most {quantity(packaged.maximum_rows, 'row')} in one request.",
        "operationId": "predict",
        "tags": ["prediction"],
        "security": [{}, {"token": []}],
        "parameters": [
            {
                "name": EXPLAIN,
                "in": "query",
                "required": False,
                "schema": {"type": "boolean", "default": False},
                "description": _explained(model),
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                **_json(request, example),
                ARROW.decode(): _binary(ARROW_REQUEST),
                PARQUET.decode(): _binary(PARQUET_REQUEST),
            },
        },
        "responses": {
            "200": {
                "description": "predictions",
                "content": {
                    **_json({"anyOf": [_reference(each.__name__) for each in responses]}, answer_example),
                    ARROW.decode(): _binary(ARROW_ANSWER),
                },
            },
            **{
                status: {"description": meaning, "content": _json(_reference("Refusal"))}
                for status, meaning in REFUSALS.items()
            },
        },
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": packaged.pipeline,
            "version": packaged.version,
            "description": f"{packaged.description}\n\nVersion {packaged.version}, answered by {model.colour}.",
        },
        "servers": [{"url": "."}],
        "paths": {
            "/predict": {"post": predict},
            "/readyz": {"get": _probe("Whether a golden row is answered", {"503": "not ready"})},
            "/livez": {"get": _probe("Whether the process lives", {})},
            "/metrics": {"get": _probe("Figures for Prometheus", {})},
        },
        "components": {
            "schemas": {**schemas, **answers["$defs"]},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _explained(model: LoadedModel) -> str:
    explainer = model.explainer
    if not isinstance(explainer, Explainer):
        return f"Not for this model: {explainer}."
    return (
        f"Whether the answer shall say what each field adds to a prediction, in {explainer.unit.replace('_', '-')}; "
        f"then at most {quantity(explainer.most_rows, 'row')} in one request."
    )


def _json(schema: dict[str, Any], example: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"application/json": content}


def _binary(description: str) -> dict[str, Any]:
    return {"schema": {"type": "string", "format": "binary", "description": description}}


def _reference(name: str) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=name)}


def _probe(summary: str, also: dict[str, str]) -> dict[str, Any]:
    statuses = {"200": "yes" if summary.startswith("Whether") else "the page", **also}
    return {
        "summary": summary,
        "tags": ["operation"],
        "responses": {
            status: {"description": meaning, "content": {"text/plain": {"schema": {"type": "string"}}}}
            for status, meaning in statuses.items()
        },
    }
