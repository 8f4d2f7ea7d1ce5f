"""How good the flights model is when it is trained every week on all history: AUC and log-loss of March to December.

    python -m benchmarks.quality [--home FOLDER] [--every DAYS]

Features of the whole year come from one Spark run in a lake of their own (kept in FOLDER for the next call). Then, week
by week, the pipeline's own estimator is fitted on the labels known by then and judged on the days that follow.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import log_loss, roc_auc_score

from jobs.estimators import build_model
from jobs.prediction import model_frame, predict
from tidewheel.lake import Lake
from tidewheel.partitions import PartitionRange
from tidewheel.runs import read_record
from tidewheel.settings import load_settings
from tidewheel.spec import Pipeline, find_pipeline

YEAR = PartitionRange(date(2013, 1, 1), date(2013, 12, 31))
JUDGED_FROM = date(2013, 3, 1)


def main() -> None:
    """Print the figures of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path("build/quality"), help="folder of the lake, kept")
    parser.add_argument("--every", type=int, default=7, help="days between two fits")
    options = parser.parse_args()
    os.environ["TIDEWHEEL_HOME"] = str(options.home.resolve())
    settings = load_settings()
    pipeline = find_pipeline(settings.pipelines_folder, "flight_delay")
    frame = labelled_features(Lake.open(pipeline.name, settings), pipeline)

    started, fits, judged = time.monotonic(), 0, []
    for known, following in weeks(pipeline, options.every):
        trained = frame[frame.day.between(YEAR.first, known)]
        model = build_model(pipeline.training, pipeline.features, pipeline.task)
        model.fit(model_frame(trained, pipeline.features), trained[pipeline.labels.column])
        fits += 1
        later = frame[frame.day.between(following.first, following.last)]
        chance = predict(model, model_frame(later, pipeline.features), pipeline.task)
        judged.append(pd.DataFrame({"label": later[pipeline.labels.column], "chance": chance}))
        print(f"\r{following.last}  {_figures(pd.concat(judged))}", end="", flush=True)
    print(f"\r{_figures(pd.concat(judged))}, {fits} fits, {time.monotonic() - started:.0f} s")


def weeks(pipeline: Pipeline, every: int) -> Iterator[tuple[date, PartitionRange]]:
    """The last day whose labels are known, and the days that the model trained on them is judged on."""
    day = JUDGED_FROM
    while day <= YEAR.last:
        last = min(day + timedelta(days=every - 1), YEAR.last)
        yield day - timedelta(days=pipeline.labels.delay_days), PartitionRange(day, last)
        day = last + timedelta(days=1)


def labelled_features(lake: Lake, pipeline: Pipeline) -> pd.DataFrame:
    """The year's features with their labels; flights without one are left out."""
    for job in ("land", "features"):
        command = [sys.executable, "-m", f"jobs.{job}", "--pipeline", pipeline.name, "--partition", str(YEAR)]
        subprocess.run([*command, "--run-id", "quality"], check=True)
        for output in read_record(lake, "quality", job).outputs:
            lake.publish(lake.manifest(output.dataset, output.partition, output.content_hash))
    features = lake.read_all(lake.need("features", key) for key in YEAR.keys).to_pandas()
    labels = lake.read_all(lake.need("labels", key) for key in lake.partitions("labels")).to_pandas()
    frame = features.merge(labels, on=pipeline.key)
    return frame.assign(day=frame[pipeline.source.event_time].dt.date)


def _figures(judged: pd.DataFrame) -> str:
    area, loss = roc_auc_score(judged.label, judged.chance), log_loss(judged.label, judged.chance)
    return f"AUC {area:.4f}, log-loss {loss:.4f}, {np.size(judged.label):,} flights"


if __name__ == "__main__":
    main()
