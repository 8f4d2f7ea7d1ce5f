"""What people write instead: the same model file behind FastAPI, with no check, no log and no figures.

BENCHMARK_BENTO=<folder> python -m benchmarks.plain_fastapi --port 3000
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI

from bentos.encoding import Columns
from bentos.packaged import MODEL, Packaged
from bentos.predictor import load

folder = Path(os.environ["BENCHMARK_BENTO"])
packaged = Packaged.read(folder)
predictor = load(packaged.format, (folder / MODEL).read_bytes())
numbers, categories = packaged.contract.numeric, packaged.contract.categorical
app = FastAPI()


@app.get("/readyz")
async def readyz() -> str:
    """It answers."""
    return "ready"


@app.post("/predict")
async def predict(body: dict[str, Any]) -> dict[str, Any]:
    """Predict rows."""
    rows = body["rows"]
    matrix = np.array([[row.get(name) for name in numbers] for row in rows], np.float64)
    columns = Columns(matrix, tuple([row.get(name) for row in rows] for name in categories))
    return {"predictions": predictor(columns).tolist()}


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    uvicorn.run(app, port=parser.parse_args().port, access_log=False, log_level="warning", server_header=False)
