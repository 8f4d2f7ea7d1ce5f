"""The published manifests of many batches."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from tidewheel.lake.lake import Lake
from tidewheel.lake.manifest import Manifest

READ_AT_ONCE = 16
"""Of an object store, which takes 10 to 30 ms for each: a year of hours has 8,760 manifests."""


def all_published(lake: Lake, keys: Iterable[str]) -> dict[str, Manifest]:
    """The manifests readers see, by key; without those of which nothing is published.

    Args:
        lake: of the pipeline.
        keys: `dataset/partition`, as manifests name their inputs.

    Raises:
        LakeError: a file there is no manifest, or that of another batch.
    """
    named = [key.split("/") for key in keys]
    if lake.store.is_folder:  # a disk keeps nobody waiting, and threads take turns at parsing
        found = [lake.published(dataset, partition) for dataset, partition in named]
    else:
        with ThreadPoolExecutor(READ_AT_ONCE) as pool:
            found = list(pool.map(lambda key: lake.published(*key), named))
    return {manifest.key: manifest for manifest in found if manifest is not None}
