"""The predictions that a pipeline is judged by: of its batches, or of its endpoint where it scores none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.monitoring.answered_rows import answered_day, read_answered
from jobs.monitoring.labelled_answers import answer_inputs, labelled_answers
from jobs.monitoring.labelled_predictions import DATASETS, LabelledPredictions, input_hashes, labelled_predictions
from jobs.monitoring.predictions import answer_columns

if TYPE_CHECKING:
    import pandas as pd

    from jobs.job import Job


def labelled_day(job: Job, day: str, until: str, columns: list[str]) -> LabelledPredictions:
    """One day's predictions with the labels that are known for them.

    Args:
        job: names pipeline, lake and settings.
        day: the day, YYYY-MM-DD.
        until: the last day whose labels are known; those of a batch are of its own day.
        columns: features, or columns of the landed rows, to look at the rows by.
    """
    if job.pipeline.scoring.enabled:
        return labelled_predictions(job.lake, job.settings, job.pipeline, day, columns)
    return labelled_answers(job.lake, job.pipeline, day, until, columns)


def day_inputs(job: Job, day: str, until: str) -> dict[str, str]:
    """The batches that `labelled_day` would look at, with their hashes; empty where the day cannot be measured."""
    if not job.pipeline.scoring.enabled:
        return answer_inputs(job.lake, job.pipeline, day, until)
    published = [job.lake.published(dataset, day) for dataset in DATASETS]
    return {} if None in published else input_hashes(*published)


def day_predictions(job: Job, day: str) -> pd.DataFrame | None:
    """What was predicted of a day, with or without labels, and by which version; None where nothing was."""
    if job.pipeline.scoring.enabled:
        predictions = job.lake.published("predictions", day)
        if predictions is None:
            return None
        said: pd.DataFrame = job.lake.read(predictions, answer_columns(job.pipeline, predictions.columns)).to_pandas()
        return said
    answered = answered_day(job.lake, job.pipeline, day)
    if answered is None:
        return None
    columns = answer_columns(job.pipeline, answered.manifest.columns)
    requests: pd.DataFrame = read_answered(job.lake, answered, answered.places, columns).to_pandas()
    return requests
