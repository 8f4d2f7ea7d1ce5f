"""Opens a model's file as scoring does, in a process of its own: `python -m jobs.packaging.reopened FOLDER ESTIMATOR`.

It predicts the golden rows, and writes the model as packaging writes it, to `native` in the folder. The last line it
prints is JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from bentos.contract import Contract
from jobs.models.model_file import open_model
from jobs.models.prediction import predict
from jobs.models.steadiness import golden_frame
from jobs.packaging.compile import native_form

CONTRACT, NATIVE, MODEL = "contract.json", "native", "model"


def answer(folder: Path, estimator: str) -> dict[str, Any]:
    """Open the model in a folder and ask it for the golden rows.

    Args:
        folder: holds contract and model.
        estimator: as the pipeline names it.
    """
    contract = Contract.model_validate_json((folder / CONTRACT).read_bytes())
    model = open_model((folder / MODEL).read_bytes(), estimator)
    together = predict(model, golden_frame(contract), contract.task)
    (folder / NATIVE).write_bytes(native_form(model, contract))
    return {"together": together.tolist()}


if __name__ == "__main__":
    try:
        found = answer(Path(sys.argv[1]), sys.argv[2])
    except Exception as error:  # whatever a team's code raises: the process that asks names it
        found = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(f"\n{json.dumps(found)}\n")
