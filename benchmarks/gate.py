"""How often the gate passes an equally good model of the flights, and a broken one, by margin and days held out.

    python -m benchmarks.gate [--home FOLDER] [--seeds 3] [--comparisons 200]

Only days before March are looked at: thresholds are chosen on them, and judged on what follows. Replicas of the flights
model are fitted to other days each (five out of six, drawn by seed, of all days but the fold they then predict), so any
two of them are equally good by construction, and differ as two honest trainings do. Two are broken: a model trained on
15% flipped labels, and one whose weather is a constant when it predicts; the shares by which they are worse over all
days are printed. What is worse by exactly the margin is the matter of `benchmarks.gate_simulated`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from jobs.evaluation.comparison import PairedRows, loss_difference
from jobs.models.metrics import log_losses
from jobs.models.prediction import Array, FittedModel, model_frame, predict
from jobs.training.estimators import build_model
from tidewheel.lake import Lake
from tidewheel.policies.gate.measurement import Comparison, GateMeasurement
from tidewheel.policies.gate.policy import GatePolicy
from tidewheel.policies.verdict import Outcome
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline, find_pipeline

JUDGED_FROM = date(2013, 3, 1)
FOLDS, REPLICAS = 4, 6
CONFIDENCE = GatePolicy.confidence
BROKEN = ("15% of labels flipped", "weather a constant")
HOLDOUTS, MARGINS = (7, 10, 14, 21, 28), (0.02, 0.03, 0.05, 0.06, 0.08)


@dataclass(frozen=True)
class Predicted:
    """Out-of-fold predictions of every kind of model for the same rows."""

    truth: Array
    days: pd.Series[str]
    replicas: list[Array]
    kinds: dict[str, Array]


def main() -> None:
    """Print one table a seed, and one over all seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("build/replay"), help="lake of benchmarks.replay")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--comparisons", type=int, default=200, help="of each kind, margin and holdout, for each seed")
    options = parser.parse_args()
    os.environ["TIDEWHEEL_HOME"] = str(options.home.resolve())
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, "flight_delay")
    rows = labelled_rows(Lake.open(pipeline.name, settings), pipeline)
    found = []
    for seed in range(options.seeds):
        predicted = predictions(pipeline, rows, seed)
        honest = np.mean([log_losses(predicted.truth, replica).mean() for replica in predicted.replicas])
        for kind, answers in predicted.kinds.items():
            print(f"seed {seed}, {kind}: {log_losses(predicted.truth, answers).mean() / honest - 1:+.1%} log-loss")
        found.append(pd.DataFrame(passes(predicted, seed, options.comparisons)).assign(seed=seed))
        print(f"seed {seed}\n{_table(found[-1])}\n", flush=True)
    together = pd.concat(found)
    print(f"all seeds\n{_table(together)}\n\nsmallest and largest over the seeds\n{_spread(together)}")


def labelled_rows(lake: Lake, pipeline: Pipeline) -> pd.DataFrame:
    """Features with labels of the days before March, with their day as text."""
    keys = [key for key in lake.partitions("features") if key < str(JUDGED_FROM)]
    features = lake.read_all(lake.need("features", key) for key in keys).to_pandas()
    labels = lake.read_all(lake.need("labels", key) for key in keys).to_pandas()
    rows = features.merge(labels, on=pipeline.key)
    return rows.assign(day=rows[pipeline.source.event_time].dt.strftime("%Y-%m-%d")).reset_index(drop=True)


def predictions(pipeline: Pipeline, rows: pd.DataFrame, seed: int) -> Predicted:
    """What each kind of model says to days that it has not learned from."""
    rng = np.random.default_rng(seed)
    frame, truth = model_frame(rows, pipeline.features), rows[pipeline.labels.column].to_numpy("float64")
    weather = [name for name in pipeline.features.numeric if name.startswith(("precip", "visib", "wind", "city_"))]
    replicas = [np.empty(len(rows)) for _ in range(REPLICAS)]
    kinds = {kind: np.empty(len(rows)) for kind in BROKEN}
    block = pd.factorize(rows["day"], sort=True)[0] * FOLDS // rows["day"].nunique()
    for learned, held in GroupKFold(FOLDS).split(frame, groups=block):

        def fit(labels: Array, learned: Array = learned) -> FittedModel:
            days = rows["day"].iloc[learned]
            drawn = learned[days.isin(_five_of_six(days, rng)).to_numpy()]
            training = pipeline.training.model_copy(update={"seed": int(rng.integers(1_000_000))})
            model: FittedModel = build_model(training, pipeline.features, pipeline.task)
            model.fit(frame.iloc[drawn], labels[drawn])
            return model

        for replica in replicas:
            replica[held] = predict(fit(truth), frame.iloc[held], pipeline.task)
        flipped = np.where(rng.random(len(truth)) < 0.15, 1 - truth, truth)
        kinds["15% of labels flipped"][held] = predict(fit(flipped), frame.iloc[held], pipeline.task)
        constant = frame.iloc[held].assign(**{name: frame[name].median() for name in weather})
        kinds["weather a constant"][held] = predict(fit(truth), constant, pipeline.task)
    return Predicted(truth, rows["day"], replicas, kinds)


def passes(predicted: Predicted, seed: int, comparisons: int) -> Iterator[dict[str, object]]:
    """Every comparison under every margin: what was compared, and whether it passed."""
    rng = np.random.default_rng(seed)
    names = np.sort(predicted.days.unique())
    for length in HOLDOUTS:
        for _ in range(comparisons):
            first = int(rng.integers(len(names) - length + 1))
            window = predicted.days.isin(names[first : first + length]).to_numpy()
            champion, other = rng.choice(REPLICAS, 2, replace=False)
            for kind, answers in {"equal": predicted.replicas[other], **predicted.kinds}.items():
                yield from _under_every_margin(predicted, window, kind, answers, predicted.replicas[champion], length)


def _under_every_margin(
    predicted: Predicted, window: Array, kind: str, answers: Array, champion: Array, length: int
) -> Iterator[dict[str, object]]:
    truth, new, old = predicted.truth[window], answers[window], champion[window]
    difference, bound = loss_difference(
        PairedRows("log_loss", truth, new, old, predicted.days[window]), confidence=CONFIDENCE, seed=0
    )
    theirs = {"log_loss": float(log_losses(truth, old).mean())}
    ours = {"log_loss": float(log_losses(truth, new).mean())}
    measured = GateMeasurement("2", ours, len(truth), length, Comparison("1", theirs, difference, bound))
    for margin in MARGINS:
        policy = GatePolicy("log_loss", lower_is_better=True, margin=margin, confidence=CONFIDENCE)
        verdict = policy.decide(measured)
        yield {"kind": kind, "days": length, "margin": margin, "passed": verdict.outcome is Outcome.PASSED}


def _five_of_six(days: pd.Series[str], rng: np.random.Generator) -> Sequence[str]:
    names = days.unique()
    return list(rng.choice(names, size=len(names) * 5 // 6, replace=False))


def _table(found: pd.DataFrame) -> str:
    shares = found.pivot_table(index=["kind", "margin"], columns="days", values="passed", sort=False)
    return shares.map(lambda share: f"{share:.0%}").to_string()


def _spread(found: pd.DataFrame) -> str:
    by_seed = found.groupby(["kind", "margin", "days", "seed"], sort=False)["passed"].mean()
    both = by_seed.groupby(["kind", "margin", "days"], sort=False).agg(["min", "max"])
    return both.apply(lambda row: f"{row['min']:.0%}-{row['max']:.0%}", axis=1).unstack("days").to_string()


if __name__ == "__main__":
    main()
