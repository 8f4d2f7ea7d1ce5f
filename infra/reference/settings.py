"""The page of every environment variable, from the settings classes and the modules that read others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from bentos.settings import VARIABLES as OF_MODEL_SERVICES
from infra.embedded.ports import BASE_VARIABLE, PURPOSES, ROW, Ports, variable
from infra.images.env_file import variables as compose_secrets
from infra.reference.markdown import code, page, table
from infra.reference.types import type_in_words
from tidewheel.settings import Settings

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

INTRODUCTION = """\
Every environment variable that Tidewheel reads. A variable in the environment takes precedence over
`<home>/platform.env`, which `tidewheel up` writes, and that over the default. Secrets never appear in logs."""
OF_SERVICES = "Read by each model service when it starts. `tidewheel up` and the release backends pass them on."
OF_PORTS = f"""\
Ports of the embedded platform. Without a variable a service keeps the port of its last start, or takes the first free
one from the default on. `{BASE_VARIABLE}` assigns {ROW} consecutive ports, beginning with it; a variable of one service
takes precedence."""
OF_DEPLOYMENT = "Set by images, Compose and the Helm chart, or read by them."
DEPLOYMENT = {
    "TIDEWHEEL_EXPORTER_URL": "address of an external Prometheus exporter; with it `tidewheel up` starts none",
    "TIDEWHEEL_CODE_VERSION": "version of the code, recorded with each run; the images set it. Default: what Git says",
    "TIDEWHEEL_CREATE_BUCKET": "yes: the chart's preparation creates the bucket of the lake if there is none",
    "TIDEWHEEL_IMAGE": "name of the image that Compose builds and runs. Default: tidewheel:latest",
    "TIDEWHEEL_TRACES_URL": "OTLP address of the trace store, read by the example collector",
    "TIDEWHEEL_LOGS_URL": "OTLP address of the log store, read by the example collector",
    "TIDEWHEEL_STATE": "home whose log files the example collector reads. Default: /state",
    "TIDEWHEEL_OTLP_HOST": "address that the example collector listens on. Default: 0.0.0.0",
}
OF_SECRETS = """\
Compose requires these in `.env`; `python -m infra.images.env_file` generates them. The chart keeps them in a Secret."""
WORDS: dict[object, str] = {str: "text", int: "integer", float: "number", Path: "path", SecretStr: "secret text"}


def settings_page() -> str:
    """The page `settings.md`."""
    return page(
        "Settings",
        INTRODUCTION,
        "## Installation",
        table(("Variable", "Type", "Default", "Meaning"), _settings()),
        "## Ports",
        OF_PORTS,
        table(("Variable", "Default", "What listens there"), _ports()),
        "## Model services",
        OF_SERVICES,
        _meanings(OF_MODEL_SERVICES),
        "## Images, Compose and the chart",
        OF_DEPLOYMENT,
        _meanings(DEPLOYMENT),
        "## Secrets of Compose and the chart",
        OF_SECRETS,
        "\n".join(f"- {code(name)}" for name in compose_secrets()),
    )


def _settings() -> Iterator[tuple[str, str, str, str]]:
    for name, field in Settings.model_fields.items():
        yield (
            code(f"TIDEWHEEL_{name.upper()}"),
            type_in_words(field.annotation, WORDS),
            _default(field),
            _meaning(field),
        )


def _ports() -> Iterator[tuple[str, str, str]]:
    yield code(BASE_VARIABLE), "", f"first of {ROW} ports for all services"
    for service, port in asdict(Ports()).items():
        yield code(variable(service)), code(str(port)), PURPOSES[service]


def _meanings(variables: Mapping[str, str]) -> str:
    return table(("Variable", "Meaning"), ((code(name), meaning) for name, meaning in variables.items()))


def _meaning(field: FieldInfo) -> str:
    return field.description or ""


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if value is None or value == "":
        return ""
    return code(json.dumps(value) if isinstance(value, dict) else str(value))
