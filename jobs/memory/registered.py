"""What registered versions predict for the rows that the gate decides by."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from jobs.data.landed_columns import with_landed_columns
from jobs.data.training_data import PARTITION, labelled_rows
from jobs.evaluation.judging import Judged
from jobs.models import registry
from jobs.models.contract import missing_columns
from jobs.models.files import Untrusted
from jobs.models.prediction import Array, answers_of, model_frame, predict
from jobs.models.row_weights import weights_of
from jobs.partial_failures import cause
from tidewheel.errors import ModelRefused

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from bentos.contract import Contract
    from jobs.data.training_data import LabelledDay
    from jobs.job import Job
    from jobs.models.prediction import FittedModel
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.spec import Pipeline


def compare_registered(
    job: Job,
    days: Sequence[LabelledDay],
    challenger: ModelVersionRow,
    champion: ModelVersionRow | None,
    model_of: Callable[[ModelVersionRow], FittedModel],
) -> Judged:
    """Ask both versions about some days.

    Args:
        job: names pipeline, lake and settings.
        days: may be none.
        challenger: its row in the ledger.
        champion: likewise; None where there is none.
        model_of: opens the model of a version that the gate judges.

    Raises:
        ModelRefused: the challenger cannot predict.
    """
    pipeline = job.pipeline
    rows = labelled_rows(job.lake, pipeline, days)
    rows = with_landed_columns(job.lake, rows, pipeline.key, rows[PARTITION], sorted(pipeline.gate.columns))
    truth = rows[pipeline.labels.column].to_numpy()
    number = (champion.version or "") if champion else ""
    if rows.empty:
        return Judged(rows, truth, truth, truth if champion else None, number)
    said = _predictions(challenger, model_of(challenger), rows, pipeline)
    judged = Judged(rows, truth, said, weights=weights_of(rows, pipeline))
    if champion is None:
        return judged
    try:
        contract, theirs = registry.contract(job.settings, pipeline.name, number), model_of(champion)
    except Untrusted as error:
        why = (
            f"version {number}, the champion, cannot be opened, so the two cannot be compared ({error}); bring its "
            f"files back, or promote version {challenger.version} with --override-reason"
        )
        return replace(judged, champion_version=number, incomparable=why)
    if lacking := missing_columns(contract, pipeline.features):
        why = (
            f"version {number}, the champion, wants columns that the features have no more "
            f"({', '.join(lacking)}), so the two cannot be compared; put them back, or promote version "
            f"{challenger.version} with --override-reason"
        )
        return replace(judged, champion_version=number, incomparable=why)
    try:
        said = _predictions(champion, theirs, rows, pipeline, contract)
    except ModelRefused as error:
        return replace(judged, champion_version=number, incomparable=f"{error}, so the two cannot be compared")
    return replace(judged, champion=said, champion_version=number)


def _predictions(
    version: ModelVersionRow,
    model: FittedModel,
    rows: pd.DataFrame,
    pipeline: Pipeline,
    contract: Contract | None = None,
) -> Array:
    """A model's predictions.

    Raises:
        ModelRefused: it has none.
    """
    try:
        if contract is not None:
            return answers_of(model, contract, rows, pipeline)
        return predict(model, model_frame(rows, pipeline.features), pipeline.task)
    except Exception as error:  # a team's code raises whatever it likes
        raise ModelRefused(
            f"version {version.version} cannot predict the {len(rows):,} rows of the holdout ({cause(error)})"
        ) from error
