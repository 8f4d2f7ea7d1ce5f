"""What the objects of a pipeline are called, and the labels by which they are selected."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from tidewheel.release import Colour

LONGEST = 63 - len("-green")
"""A Service's name is a DNS label."""
PIPELINE, COLOUR, VERSION, CONTENT, MINIMUM, MAXIMUM, IN_FLIGHT = (
    f"tidewheel/{name}"
    for name in ("pipeline", "colour", "version", "content-hash", "minimum", "maximum", "requests-in-flight")
)
PART_OF = {"app.kubernetes.io/part-of": "tidewheel", "app.kubernetes.io/component": "model"}
TOKEN = "tidewheel-platform-token"  # noqa: S105  the name of a Secret, not its content
ANSWER = "tidewheel-answer"
"""Name of the filter of routes that the gateway answers itself with 200."""


def slug(pipeline: str) -> str:
    """A pipeline's name as Kubernetes takes it: no two pipelines have the same, for their names hold no hyphen."""
    name = pipeline.replace("_", "-").rstrip("-")
    if len(name) > LONGEST or pipeline.endswith("_"):
        name = f"{name[: LONGEST - 9].rstrip('-')}-{hashlib.sha256(pipeline.encode()).hexdigest()[:8]}"
    return name


def colour_name(pipeline: str, colour: Colour) -> str:
    """Name of the Deployment of a colour, and of all that belongs to it."""
    return f"{slug(pipeline)}-{colour}"


def pipeline_labels(pipeline: str) -> Mapping[str, str]:
    """Labels of all objects of a pipeline."""
    return {**PART_OF, PIPELINE: slug(pipeline)}  # a name may end in `_`, the value of a label may not


def colour_labels(pipeline: str, colour: Colour) -> Mapping[str, str]:
    """Labels of a colour's pods. Selectors name these, and so never change."""
    return {**pipeline_labels(pipeline), COLOUR: str(colour)}
