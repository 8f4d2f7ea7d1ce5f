"""Finding and removing what no manifest names: files of killed writers, and of batches that were written twice.

Manifests are never removed, so the data of every batch that a model was trained on stays. What is young stays too: its
writer may be about to name it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from tidewheel.errors import LakeError, UsageError
from tidewheel.lake.lake import DATA, QUARANTINE
from tidewheel.lake.manifest import SHORT_HASH, DataFile, Manifest

if TYPE_CHECKING:
    from tidewheel.lake.lake import Lake

SHORTEST_GRACE = timedelta(days=1)
"""The longest job writes for hours before it names what it has written."""
MANIFEST = re.compile(rf"[^/_][^/]*/(manifest|[0-9a-f]{{64}})\.json|{QUARANTINE}/[^/]+/[0-9a-f]{{{SHORT_HASH}}}\.json")
"""Where manifests are below a dataset's folder; see `tidewheel.lake.lake`."""
HALF_WRITTEN = re.compile(r".+\.[0-9a-f]{32}\.tmp")
"""What a writer leaves that is killed while it replaces a file; see `tidewheel.atomic_file`."""


@dataclass(frozen=True)
class Litter:
    """A file that nothing names.

    Attributes:
        path: relative to the lake's root.
        bytes: its size.
        modified: when it was last written.
    """

    path: str
    bytes: int
    modified: datetime


def find_litter(lake: Lake, now: datetime, grace: timedelta) -> list[Litter]:
    """The files of a pipeline's datasets that no manifest names, published, superseded or in quarantine.

    Args:
        lake: of one pipeline.
        now: the time, with its zone.
        grace: younger files are left alone.

    Returns:
        The files, by path.

    Raises:
        UsageError: the grace period is shorter than a job may take.
        LakeError: a manifest cannot be read, so nobody knows what it names.
    """
    if grace < SHORTEST_GRACE:
        raise UsageError(
            f"a grace of {grace / timedelta(days=1):g} days may be shorter than a job that runs; expected at least "
            f"{SHORTEST_GRACE.days}"
        )
    litter: list[Litter] = []
    for dataset in lake.store.list_folder(lake.pipeline):
        folder = f"{lake.pipeline}/{dataset}"
        # Files first: one that is named meanwhile is seen as named.
        old = [Litter(*file) for file in lake.store.find_details(folder) if now - file[2] > grace]
        data = [file for file in old if file.path.startswith(f"{folder}/{DATA}/")]
        named = _named(lake, folder) if data else frozenset()
        litter += [file for file in data if file.path not in named]
        litter += [file for file in old if HALF_WRITTEN.fullmatch(file.path) and file not in data]
    return sorted(litter, key=lambda file: file.path)


def remove_litter(lake: Lake, litter: list[Litter]) -> None:
    """Delete files, and the folders that they leave empty."""
    for file in litter:
        lake.store.remove(file.path)
    for folder in {file.path.rsplit("/", 1)[0] for file in litter if f"/{DATA}/" in file.path}:
        if not lake.store.list_folder(folder):
            lake.store.remove(folder)


def _named(lake: Lake, folder: str) -> frozenset[str]:
    """Every file that a manifest of a dataset names, also one of a batch in quarantine."""
    found = lake.store.find(folder, ".json")
    manifests = [path for path in found if MANIFEST.fullmatch(path.removeprefix(f"{folder}/"))]
    return frozenset(f"{folder}/{file.path}" for path in manifests for file in _files_of(lake, path))


def _files_of(lake: Lake, path: str) -> tuple[DataFile, ...]:
    content = lake.store.read(path)
    if content is None:  # somebody took it away since it was listed, and knows why
        return ()
    try:
        document = json.loads(content)
        manifest = document["manifest"] if f"/{QUARANTINE}/" in path else document
        return Manifest.model_validate(manifest).files
    except (ValueError, KeyError, TypeError) as error:
        raise LakeError(
            f"{lake.store.url(path)} is no manifest ({error}), so nobody knows which files it names and nothing is "
            "removed; restore or delete it first"
        ) from error
