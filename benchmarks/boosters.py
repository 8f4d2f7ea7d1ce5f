"""The named boosters on the flights: seconds of a fit, log-loss on later days, and milliseconds of one served row.

    python -m benchmarks.boosters [--home FOLDER]

Each is fitted with its library's own parameters, and with 300 rounds at a rate of 0.1, to January to October. November
and December judge it. FOLDER is that of `benchmarks.replay`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.replay import JUDGED, make_features, open_lake
from bentos.predictor import load
from jobs.job import cpu_seconds
from jobs.models.contract import write_contract
from jobs.models.metrics import measure
from jobs.models.prediction import predict
from jobs.packaging.compile import columns_of, comparison_frame, compile_model
from jobs.replay.history import History
from jobs.training.fitting import FitRows, fit
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline, find_pipeline

if TYPE_CHECKING:
    from jobs.training.fitting import TrainingRows

SPLIT = date(2013, 11, 1)
FITS, CALLS = 3, 500
ROUNDS: dict[str, dict[str, Any]] = {
    "hist_gradient_boosting": {"max_iter": 300},
    "xgboost": {"n_estimators": 300, "learning_rate": 0.1},
    "lightgbm": {"n_estimators": 300},
    "catboost": {"n_estimators": 300, "learning_rate": 0.1},
}


def main() -> None:
    """Fit, judge, serve, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--home", type=Path, default=Path("build/replay"), help="folder of the flights' lake, kept")
    lake = open_lake(parser.parse_args().home)
    make_features(lake)
    pipeline = find_pipeline(load_settings().pipelines_folder, lake.pipeline)
    history = History.read(lake, pipeline, JUDGED)
    days = [day.day for day in history.on(JUDGED.last).matured()]
    learned, judged = (
        history.taken(some) for some in ([d for d in days if d < SPLIT], [d for d in days if d >= SPLIT])
    )
    print(f"{len(learned.truth):,} rows to learn from, {len(judged.truth):,} to judge on")
    print(
        f"{'estimator':<24}{'rounds':<12}{'fit s':>8}{'CPU s':>8}{'log-loss':>10}{'AUC':>8}  {'form':<9}{'row ms':>8}"
    )
    for name, rounds in ROUNDS.items():
        for words, parameters in (("library's", {}), ("300 at 0.1", rounds)):
            row = measured(pipeline, name, parameters, learned, judged)
            print(f"{name:<24}{words:<12}{row}", flush=True)


def measured(
    pipeline: Pipeline, name: str, parameters: dict[str, Any], learned: TrainingRows, judged: TrainingRows
) -> str:
    """One line: medians of three fits, figures of the last, and the form that would serve it."""
    training = pipeline.training.model_copy(update={"estimator": name, "parameters": parameters})
    clock, cpu = list[float](), list[float]()
    for _ in range(FITS):
        began, cpu_began = time.perf_counter(), cpu_seconds()
        model = fit(training, pipeline.features, pipeline.task, FitRows(learned.frame, learned.truth)).model
        clock.append(time.perf_counter() - began)
        cpu.append(cpu_seconds() - cpu_began)
    figures = measure(judged.truth, predict(model, judged.frame, pipeline.task), pipeline.task)
    contract = write_contract(pipeline.name, pipeline.task, pipeline.features, learned.frame, model)
    compiled = compile_model(model, contract, comparison_frame(contract), pipeline.release.parity_tolerance)
    answer, one = load(compiled.format, compiled.content), columns_of(judged.frame.head(1), contract)
    times = list[float]()
    for _ in range(CALLS):
        began = time.perf_counter()
        answer(one)
        times.append(time.perf_counter() - began)
    return (
        f"{statistics.median(clock):>8.1f}{statistics.median(cpu):>8.1f}{figures['log_loss']:>10.4f}"
        f"{figures['roc_auc']:>8.4f}  {compiled.format:<9}{statistics.median(times) * 1000:>8.3f}"
    )


if __name__ == "__main__":
    main()
