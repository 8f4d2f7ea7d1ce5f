"""What serving would make of a model with these parameters: whether it has a fast exact form and can be explained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from bentos.explainer import Explainer, unpack
from jobs.models.contract import write_contract
from jobs.models.portable import distributions_of
from jobs.packaging.bento import PACKAGES
from jobs.packaging.compile import compile_model
from jobs.packaging.explanation import explanation_of

if TYPE_CHECKING:
    import pandas as pd

    from tidewheel.spec import Pipeline


def form_doubts(pipeline: Pipeline, model: Any, frame: pd.DataFrame) -> Iterator[str]:
    """What is not served by a fast exact form, or cannot be explained, in sentences.

    Args:
        pipeline: its declaration.
        model: fitted to rows of its columns.
        frame: these rows.
    """
    name, tolerance = pipeline.training.estimator, pipeline.release.parity_tolerance
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, frame, model, pipeline.labels.classes)
    compiled = compile_model(model, contract, frame, tolerance)
    if compiled.format == "native":
        reasons = "; ".join(f"{one.format}: {one.refused}" for one in compiled.candidates if one.refused)
        ours = {package for packages in PACKAGES.values() for package in packages}
        lacking = [package for package in distributions_of(compiled.content) if package not in ours]
        image = f", and the serving image has no {', '.join(lacking)}" if name in lacking else ""
        yield f"with them no fast form answers as {name} does, so {name} itself would serve{image} ({reasons})"
    if pipeline.task == "multiclass":
        return  # of several classes nothing is explained, whatever the parameters
    explained = unpack(explanation_of(model, contract, frame, tolerance, single_precision=compiled.format == "onnx"))
    if not isinstance(explained, Explainer):
        yield f"with them no prediction can be explained: {explained}"
