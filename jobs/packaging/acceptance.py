"""What a version must show before it is registered: its file answers in a new process, and as a service.

A model that only the process that fitted it can open would pass the gate, become champion, and then be neither scored
nor released.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bentos.contract import CONTRACT
from bentos.packaged import Packaged
from bentos.problems import RequestRefused
from bentos.request import Reader
from jobs.models.model_file import open_model
from jobs.models.prediction import predict
from jobs.models.steadiness import golden_frame, unsteadiness
from jobs.packaging import isolated
from jobs.packaging.bento import ModelFiles, write_service
from jobs.packaging.reopened import MODEL, NATIVE
from tidewheel.errors import ModelRefused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bentos.contract import Contract
    from jobs.models.prediction import FittedModel
    from tidewheel.spec import Pipeline

log = logging.getLogger("tidewheel.acceptance")
SECONDS = 300
OWN = "what a team's own model needs must be in the model itself: fit it, or read it when fitting, and keep it there"


@dataclass(frozen=True)
class Accepted:
    """A model to be accepted.

    Attributes:
        pipeline: as declared.
        model: as it was fitted, in this process.
        contract: of the model.
    """

    pipeline: Pipeline
    model: FittedModel
    contract: Contract


def check_requests(accepted: Accepted) -> None:
    """See that the service's own checks let every golden row in, and that each has a number for its prediction.

    Raises:
        ModelRefused: they do not, or one has none.
    """
    for number, golden in enumerate(accepted.contract.golden_rows):
        if not np.isfinite(golden.prediction).all():
            raise ModelRefused(
                f"the model predicts {golden.prediction} for golden row {number}, a row of the training data: "
                f"{golden.row}; expected a number, whatever is missing in a row"
            )
    with tempfile.TemporaryDirectory(prefix="tidewheel-acceptance-") as folder:
        write_service(Path(folder), accepted.pipeline, "0", accepted.contract, ModelFiles("native", b""))
        reader = Reader(Packaged.read(Path(folder)))
    for number, golden in enumerate(accepted.contract.golden_rows):
        try:
            reader.from_rows([golden.row])
        except RequestRefused as refused:
            raise ModelRefused(
                f"the service would refuse golden row {number}, a row of the training data ({refused}), so no version "
                "of this model could be released; have the transform make this value one that a caller may send"
            ) from refused


def check_file(accepted: Accepted, content: bytes) -> None:
    """See that the file that was written answers as the model does; a team's own also where nothing else is at hand.

    Args:
        accepted: the model in this process.
        content: of the model's file.

    Raises:
        ModelRefused: it does not.
    """
    estimator = accepted.pipeline.training.estimator
    if ":" not in estimator:
        found = predict(open_model(content, estimator), golden_frame(accepted.contract), accepted.contract.task)
        _compare(accepted, found.tolist(), "opened again")
        return
    with tempfile.TemporaryDirectory(prefix="tidewheel-acceptance-") as made:
        folder, service, empty = (Path(made) / name for name in ("files", "service", "empty"))
        for fresh in (folder, service, empty):
            fresh.mkdir()
        (folder / MODEL).write_bytes(content)
        (folder / CONTRACT).write_text(accepted.contract.model_dump_json(), encoding="utf-8")
        reopened = _asked(["-m", "jobs.packaging.reopened", str(folder), estimator], empty, "for scoring")
        _compare(accepted, reopened["together"], "opened again in a new process, as scoring opens it")
        native = (folder / NATIVE).read_bytes()
        write_service(service, accepted.pipeline, "0", accepted.contract, ModelFiles("native", native))
        served = _asked(["-I", str(Path(isolated.__file__)), str(service)], empty, "in the packaged service")
        _compare(accepted, served["together"], "opened as the packaged service opens it")
        if served["files"]:
            files = ", ".join(served["files"][:3])
            raise ModelRefused(f"{estimator} reads {files} when it predicts, which no other machine has; {OWN}")


def _asked(arguments: Sequence[str], folder: Path, where: str) -> dict[str, Any]:
    """Ask a process that starts in an empty folder, which is its home too."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment |= {"HOME": str(folder), "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    try:
        done = subprocess.run(  # noqa: S603
            [sys.executable, *arguments],
            cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise ModelRefused(f"opened {where}, the model did not answer its golden rows within {SECONDS} s") from None
    try:
        document: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        said = " ".join(done.stderr.splitlines()[-3:])
        document = {"error": f"the process ended with exit code {done.returncode}: {said}"}
    if "error" in document:
        raise ModelRefused(f"the model was fitted, but opened {where} it fails: {document['error']}; {OWN}")
    return document


def _compare(accepted: Accepted, answers: Sequence[float | Sequence[float]], how: str) -> None:
    """Hold answers against the golden rows' predictions.

    Raises:
        ModelRefused: they differ.
    """
    tolerance = accepted.pipeline.release.parity_tolerance
    right = np.array([golden.prediction for golden in accepted.contract.golden_rows])
    by_number = np.abs(np.array(answers) - right) / np.maximum(1.0, np.abs(right))
    apart = np.nan_to_num(by_number, nan=np.inf).reshape(len(right), -1).max(axis=1)
    worst = int(np.argmax(apart))
    if apart[worst] <= tolerance:
        return
    frame = golden_frame(accepted.contract)
    if unsteady := unsteadiness(accepted.model, frame, accepted.contract.task, tolerance):
        log.warning("the model %s: the gate will refuse it", unsteady)
        return
    raise ModelRefused(
        f"{how}, the model predicts {answers[worst]} for golden row {worst}, and {right[worst].tolist()} where it was "
        f"fitted; {OWN}"
    )
