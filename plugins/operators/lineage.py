"""What a job read and wrote, as OpenLineage's datasets; the provider asks for it where OPENLINEAGE_* name a receiver.

A dataset of the lake (`orders/features`) is one dataset of OpenLineage, however many days of it a job read: an event
that named each day of a training would hold hundreds. The job's record has them all.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from airflow.providers.openlineage.extractors import OperatorLineage
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    dataset_version_dataset,
    output_statistics_output_dataset,
)

from tidewheel.lake import Lake

if TYPE_CHECKING:
    from collections.abc import Collection

    from tidewheel.runs import JobRecord


def lineage_of(record: JobRecord | None) -> OperatorLineage[Dataset, RunFacet]:
    """Datasets of a job.

    Args:
        record: what the job left; None where it failed.

    Returns:
        One input or output a dataset of the lake, with the content hash as its version where it was one batch, and with
        the rows written.
    """
    if record is None:
        return OperatorLineage()
    root = Lake.open(record.pipeline).store.root
    read: defaultdict[str, list[str]] = defaultdict(list)
    for key, content_hash in record.inputs.items():
        dataset, batch, _ = key.rpartition("/")
        if batch:  # a model is no batch of the lake
            read[dataset].append(content_hash)
    written: defaultdict[str, list[str]] = defaultdict(list)
    rows: defaultdict[str, int] = defaultdict(int)
    for output in record.outputs:
        written[output.dataset].append(output.content_hash)
        rows[output.dataset] += output.rows
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet
    return OperatorLineage(
        inputs=[InputDataset(*_name(root, record.pipeline, of), facets=_version(read[of])) for of in sorted(read)],
        outputs=[
            OutputDataset(
                *_name(root, record.pipeline, of),
                outputFacets={"outputStatistics": statistics(rowCount=rows[of])},
                facets=_version(written[of]),
            )
            for of in sorted(written)
        ],
    )


def _name(root: str, pipeline: str, dataset: str) -> tuple[str, str]:
    """Namespace and name by OpenLineage's conventions: the store, and the path in it."""
    # https://openlineage.io/docs/spec/naming
    url = urlsplit(root)
    if url.scheme == "file":
        return "file", f"{root.removeprefix('file://')}/{pipeline}/{dataset}"
    return f"{url.scheme}://{url.netloc}", "/".join(part for part in (url.path.strip("/"), pipeline, dataset) if part)


def _version(hashes: Collection[str]) -> dict[str, DatasetFacet]:
    """The version of a dataset, where it was one batch."""
    if len(hashes) != 1:
        return {}
    [version] = hashes
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(version)}
