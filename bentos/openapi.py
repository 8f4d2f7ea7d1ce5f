"""The OpenAPI document of the endpoint: addresses are relative, so that it works under any prefix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic.json_schema import models_json_schema

from bentos.answer import Answer, Refusal

if TYPE_CHECKING:
    from bentos.served import Served

REFERENCE = "#/components/schemas/{model}"
REFUSALS = {
    "400": "the body is not JSON",
    "413": "too many rows, or too many bytes",
    "415": "the body is not declared as JSON",
    "422": "the rows are not what the contract says",
}


def document(served: Served) -> dict[str, Any]:
    """Describe the endpoint of a model."""
    packaged = served.packaged
    request = served.reader.adapter.json_schema(ref_template=REFERENCE)
    schemas = request.pop("$defs", {})
    _, answers = models_json_schema([(Answer, "serialization"), (Refusal, "serialization")], ref_template=REFERENCE)
    golden = packaged.golden_rows[0]
    example = {"rows": [dict(golden.row)]}
    answer_example = {
        "predictions": [golden.prediction],
        "model_version": packaged.version,
        "colour": served.colour,
        "request_id": "4f8a1c",
        "flags": [],
    }
    predict = {
        "summary": "Predict one row or many",
        "description": f"{packaged.description} Each prediction is a {packaged.meaning}. "
        f"At most {packaged.maximum_rows} rows in one request.",
        "operationId": "predict",
        "tags": ["prediction"],
        "requestBody": {"required": True, "content": _json(request, example)},
        "responses": {
            "200": {"description": "predictions", "content": _json(_reference("Answer"), answer_example)},
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
            "description": f"{packaged.description}\n\nVersion {packaged.version}, answered by {served.colour}.",
        },
        "servers": [{"url": "."}],
        "paths": {
            "/predict": {"post": predict},
            "/readyz": {"get": _probe("Whether a golden row is answered", {"503": "not ready"})},
            "/livez": {"get": _probe("Whether the process lives", {})},
            "/metrics": {"get": _probe("Figures for Prometheus", {})},
        },
        "components": {"schemas": {**schemas, **answers["$defs"]}},
    }


def _json(schema: dict[str, Any], example: dict[str, Any] | None = None) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"application/json": content}


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
