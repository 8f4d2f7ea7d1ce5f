"""What an erasure does to models: which have learned from the rows, and what they can be trained again on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.data.training_data import LabelledDay, read_training_data
from tidewheel.errors import LakeError
from tidewheel.lake.successors import Batch, successors
from tidewheel.ledger.models import Models
from tidewheel.runs import BatchReference

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from tidewheel.lake import Lake
    from tidewheel.ledger import Ledger


@dataclass(frozen=True)
class TrainedVersions:
    """Versions of a pipeline.

    Attributes:
        learned: those that have learned from a batch, or were judged on it.
        unknown: those whose training data is not listed in the lake any more.
    """

    learned: tuple[str, ...]
    unknown: tuple[str, ...]


def trained_on(lake: Lake, ledger: Ledger, batches: Collection[Batch]) -> TrainedVersions:
    """Versions that were trained or judged on some batches."""
    learned, unknown = [], []
    for row in Models(ledger).all(lake.pipeline):
        if not row.source:
            continue  # its files were deleted
        try:
            inputs = read_training_data(lake, row.run_id).inputs
        except LakeError:
            unknown.append(row.version or "")
            continue
        if any(batch in batches for batch in inputs.items()):
            learned.append(row.version or "")
    return TrainedVersions(tuple(learned), tuple(unknown))


def without_erased_rows(lake: Lake, days: Sequence[LabelledDay]) -> tuple[list[LabelledDay], list[str]]:
    """Days as a model may be trained on them again.

    Args:
        lake: the pipeline's.
        days: as a model was trained on them.

    Returns:
        The days, with the successor of each batch that rows were erased from; and a sentence for each such batch.
    """
    replaced, sentences = successors(lake), list[str]()
    if not replaced:
        return list(days), []

    def current(batch: BatchReference) -> BatchReference:
        return _current(lake, batch, replaced, sentences)

    renewed = [LabelledDay(day=day.day, features=current(day.features), labels=current(day.labels)) for day in days]
    return renewed, sentences


def _current(lake: Lake, batch: BatchReference, replaced: Mapping[Batch, str], sentences: list[str]) -> BatchReference:
    successor = replaced.get((f"{batch.dataset}/{batch.partition}", batch.content_hash))
    if successor is None:
        return batch
    rows = lake.manifest(batch.dataset, batch.partition, successor).rows
    erased = lake.manifest(batch.dataset, batch.partition, batch.content_hash).erased
    on = f" on {erased.at:%Y-%m-%d}" if erased else ""
    sentences.append(
        f"{batch.dataset}/{batch.partition}: {batch.rows - rows:,} of {batch.rows:,} rows were erased{on} at "
        "somebody's request (`tidewheel audit`)"
    )
    return batch.model_copy(update={"content_hash": successor, "rows": rows})
