"""XGBoost fitted on a GPU and on the CPU by what a training runs: seconds, log-loss, and whether checkpoints hold.

    python -m benchmarks.gpu                  # about five minutes on 16 cores and a GPU
    python -m benchmarks.gpu --rows 100000

Needs XGBoost built for CUDA (requirements-gpu.lock) and a GPU. Rows have 24 numbers and 6 categories of up to 500
values; both devices fit the same rows, and are judged by the same held-out 100,000. A fit is repeated, and one goes on
from the checkpoint that an interrupted one has left: equal digests mean the same model to the byte. The seconds are
those of the whole fit, categories numbered and rows brought to the device; a fit before them pays for CUDA's start.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss

from jobs.models.prediction import Array, predict
from jobs.training.boosting import PIECE, Checkpoints
from jobs.training.fitting import FitRows, fit
from tidewheel.lake import Lake, Store
from tidewheel.spec.sections import Features
from tidewheel.spec.training import Training

ROWS = (100_000, 1_000_000, 4_000_000)
HELD_OUT = 100_000
ROUNDS, DEPTH = 2 * PIECE, 8
NUMBERS = [f"number_{place}" for place in range(24)]
CATEGORIES = {f"category_{place}": values for place, values in enumerate((4, 12, 30, 80, 200, 500))}
FEATURES = Features(transform="benchmarks.gpu:made_up", numeric=NUMBERS, categorical=list(CATEGORIES))


@dataclass(frozen=True)
class Measured:
    """One fit."""

    seconds: float
    loss: float
    device: str
    digest: str


def main() -> None:
    """Fit on both devices at each size, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=int, nargs="*", default=ROWS, help="rows to learn from; several sizes may be given"
    )
    sizes = parser.parse_args().rows
    logging.basicConfig(level=logging.ERROR)
    frame, truth = made_up(max(sizes) + HELD_OUT)
    held = frame[:HELD_OUT], truth[:HELD_OUT]
    measure(training("cuda"), frame[:20_000], truth[:20_000], held)  # CUDA starts
    print(f"{os.cpu_count()} cores; {_gpu()}; {ROUNDS} rounds of depth {DEPTH}, {frame.shape[1]} columns\n")
    print("| rows | CPU s | GPU s | CPU / GPU | log-loss CPU | log-loss GPU | GPU again the same | goes on the same |")
    print("|---:|---:|---:|---:|---:|---:|---|---|")
    for rows in sizes:
        part = frame[HELD_OUT : HELD_OUT + rows], truth[HELD_OUT : HELD_OUT + rows]
        gpu, again = (measure(training("cuda"), *part, held) for _ in range(2))
        with tempfile.TemporaryDirectory() as folder:
            resumed = interrupted(training("cuda"), *part, held, folder)
        cpu = measure(training("cpu"), *part, held)
        assert (cpu.device, gpu.device) == ("cpu", "cuda:0"), (cpu.device, gpu.device)
        seconds = min(gpu.seconds, again.seconds)
        print(
            f"| {rows:,} | {cpu.seconds:.1f} | {seconds:.1f} | {cpu.seconds / seconds:.1f} | {cpu.loss:.5f} | "
            f"{gpu.loss:.5f} | {_yes(gpu.digest == again.digest)} | {_yes(gpu.digest == resumed.digest)} |",
            flush=True,
        )


def training(device: str) -> Training:
    """As a pipeline file declares it."""
    parameters = {"n_estimators": ROUNDS, "max_depth": DEPTH, "learning_rate": 0.1, "device": device}
    return Training(estimator="xgboost", parameters=parameters)


def made_up(rows: int) -> tuple[pd.DataFrame, Array]:
    """Rows whose label follows numbers, pairs of them and categories, and much that no column tells."""
    rng = np.random.default_rng(7)
    columns: dict[str, Any] = {name: rng.normal(size=rows) for name in NUMBERS}
    score = columns["number_0"] + columns["number_1"] * columns["number_2"] + np.sin(3 * columns["number_3"])
    for name, count in CATEGORIES.items():
        codes = rng.integers(count, size=rows)
        score += rng.normal(scale=0.5, size=count)[codes]
        columns[name] = pd.Categorical.from_codes(codes, [f"value {code}" for code in range(count)]).astype(object)
    truth = (score + rng.logistic(size=rows) > 0).astype(float)
    return pd.DataFrame(columns), truth


def measure(
    training: Training, frame: pd.DataFrame, truth: Array, held: tuple[pd.DataFrame, Array], **more: Any
) -> Measured:
    """Fit once; the model answers on the CPU, as it does in scoring and serving."""
    started = time.perf_counter()
    fitted = fit(training, FEATURES, "classification", FitRows(frame, truth), **more)
    seconds = time.perf_counter() - started
    booster = bytes(fitted.model[-1].get_booster().save_raw("ubj"))
    loss = float(log_loss(held[1], predict(fitted.model, held[0], "classification")))
    return Measured(seconds, loss, fitted.device, sha256(booster).hexdigest())


def interrupted(
    training: Training, frame: pd.DataFrame, truth: Array, held: tuple[pd.DataFrame, Array], folder: str
) -> Measured:
    """A fit that goes on where one before it was lost, after its first piece."""
    checkpoints = Checkpoints(Lake("gpu", Store(f"file://{folder}", {})), "run", "benchmark")
    measure(training, frame, truth, held, checkpoints=checkpoints)
    assert (newest := checkpoints.newest()) is not None
    assert newest[0] == PIECE
    return measure(training, frame, truth, held, checkpoints=checkpoints)


def _gpu() -> str:
    command = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _yes(same: bool) -> str:
    return "yes" if same else "no"


if __name__ == "__main__":
    main()
