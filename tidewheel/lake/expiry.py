"""Removes days of a dataset that have come of age: what readers see first, what says that there is more to do last.

An expiry that was killed is run again and goes on: as long as a manifest of the day is there, its files are found.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.errors import UsageError
from tidewheel.lake.lake import PUBLISHED, QUARANTINE
from tidewheel.lake.successors import documents
from tidewheel.partitions import day_key, parse_day

if TYPE_CHECKING:
    from datetime import date

    from tidewheel.lake.lake import Lake

INBOX = "requests/_inbox"
"""Folder of a pipeline's lake that `infra.pod.ship` writes the request log's files to, by day."""
REPORTS = "reports"
NIGHTLY_REPORTS = ("drift.html", "performance.json", "unlabelled.npy", "requests.json")
NIGHTLY_SAMPLES = ("answered-", "rows-")
"""What monitoring writes for a day, and samples that it draws. Reports of validation and of the gate are no part of it:
they show why a batch or a model was accepted."""


@dataclass(frozen=True)
class ExpiredDay:
    """A day of a dataset that may go.

    Attributes:
        day: its key.
        paths: relative to the lake's root, in the order in which they are to be removed.
        bytes: their size.
    """

    day: str
    paths: tuple[str, ...]
    bytes: int


def expired_batches(lake: Lake, dataset: str, before: date, is_needed: Callable[[str], bool]) -> list[ExpiredDay]:
    """Days of a dataset with all their batches: published, superseded and in quarantine.

    Args:
        lake: of one pipeline.
        dataset: its name.
        before: the first day that stays.
        is_needed: says of a day whether it stays nevertheless.

    Raises:
        LakeError: a manifest cannot be read, so nobody knows which files it names.
    """
    folder = f"{lake.pipeline}/{dataset}"
    names = [*lake.store.list_folder(folder), *lake.store.list_folder(f"{folder}/{QUARANTINE}")]
    old = sorted({name for name in names if _is_before(name, before) and not is_needed(day_key(name))})
    if not old:
        return []
    manifests: dict[str, list[str]] = {day: [] for day in old}
    files: dict[str, set[str]] = {day: set() for day in old}
    named_by_others: set[str] = set()
    for document in documents(lake, dataset):
        named = {f"{folder}/{file.path}" for file in document.manifest.files}
        if (day := document.manifest.partition) in manifests:
            manifests[day].append(document.path)
            files[day] |= named
        else:
            named_by_others |= named
    sizes = {path: size for path, size, _ in lake.store.find_details(folder)}
    batches = []
    for day in old:
        published = f"{folder}/{day}/{PUBLISHED}"
        first = [published] if published in sizes else []
        data = sorted((files[day] - named_by_others) & sizes.keys())
        beside = (f"{folder}/{QUARANTINE}/{day}/", f"{folder}/{day}/")
        rest = sorted({*manifests[day], *(path for path in sizes if path.startswith(beside))} - {published})
        paths = (*first, *data, *rest)
        batches.append(ExpiredDay(day, paths, sum(sizes.get(path, 0) for path in paths)))
    return [day for day in batches if day.paths]


def expired_inbox(lake: Lake, before: date) -> list[ExpiredDay]:
    """Files of the request log that were shipped to the lake and are there still, such as damaged ones."""
    folder, files = f"{lake.pipeline}/{INBOX}", []
    for day in lake.store.list_folder(folder):
        if _is_before(day, before):
            sizes = {path: size for path, size, _ in lake.store.find_details(f"{folder}/{day}")}
            files.append(ExpiredDay(day, tuple(sorted(sizes)), sum(sizes.values())))
    return [day for day in files if day.paths]


def expired_reports(lake: Lake, before: date, is_needed: Callable[[str], bool]) -> list[ExpiredDay]:
    """What nightly monitoring has left of days; see `expired_batches`."""
    folder, files = f"{lake.pipeline}/{REPORTS}", []
    for day in lake.store.list_folder(folder):
        if not _is_before(day, before) or is_needed(day):
            continue
        sizes = {path: size for path, size, _ in lake.store.find_details(f"{folder}/{day}")}
        paths = tuple(sorted(path for path in sizes if _is_nightly(path.removeprefix(f"{folder}/{day}/"))))
        if paths:
            files.append(ExpiredDay(day, paths, sum(sizes[path] for path in paths)))
    return files


def remove_days(lake: Lake, days: list[ExpiredDay]) -> None:
    """Remove days, and the folders that they leave empty."""
    for day in days:
        for path in day.paths:
            lake.store.remove(path)
        for parent in {path.rsplit("/", 1)[0] for path in day.paths}:
            if not lake.store.list_folder(parent):
                lake.store.remove(parent)


def _is_nightly(name: str) -> bool:
    return name in NIGHTLY_REPORTS or name.startswith(NIGHTLY_SAMPLES)


def _is_before(name: str, day: date) -> bool:
    """Whether a folder is that of an earlier day, or of an hour in it; folders of ranges, and others, are not."""
    try:
        return parse_day(day_key(name)) < day
    except UsageError:
        return False
