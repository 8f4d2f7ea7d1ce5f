"""What of a pipeline's nightly data has come of age, and what of it must stay: see `tidewheel.spec.retention`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from tidewheel.errors import UsageError
from tidewheel.home_cleanup import Unused
from tidewheel.lake.expiry import ExpiredDay, expired_batches, expired_inbox, expired_reports
from tidewheel.partitions import parse_day
from tidewheel.quantities import quantity
from tidewheel.spec.retention import retained_days

if TYPE_CHECKING:
    from tidewheel.lake import Lake
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

DATASETS = {"requests": "requests_days", "request_counts": "requests_days", "predictions": "predictions_days"}
"""Datasets that only monitoring reads, each with its key of the section. Models are made from the others."""
REQUESTS = "requests"
REPORTS_KEY = "reports_days"
LABELS = "labels"


@dataclass(frozen=True)
class Expired:
    """What of a kind may go.

    Attributes:
        what: the kind, and its age.
        days: that may go.
        awaited: days of that age which stay because their labels are not known.
    """

    what: str
    days: list[ExpiredDay]
    awaited: tuple[str, ...] = ()


def expired(pipeline: Pipeline, lake: Lake, probation_since: str | None) -> list[Expired]:
    """What has come of age, kind by kind.

    Args:
        pipeline: the declaration.
        lake: of the pipeline.
        probation_since: the day from which the version on probation is judged; None where none is.

    Raises:
        LakeError: a manifest cannot be read.
    """
    items, labelled = [], frozenset(lake.partitions(LABELS))
    newest = newest_day(lake)
    if newest is None:
        return []
    for dataset, key in DATASETS.items():
        if (days := retained_days(pipeline, key)) is None:
            continue
        awaited: list[str] = []

        def is_needed(day: str, awaited: list[str] = awaited) -> bool:
            if day not in labelled:
                awaited.append(day)
            return day not in labelled or _is_on_probation(day, probation_since)

        before = pipeline.block.before(newest, days - 1)
        batches = expired_batches(lake, dataset, before, is_needed)
        if dataset == REQUESTS:
            batches += expired_inbox(lake, before)
        items.append(
            Expired(f"{dataset} older than {quantity(days, pipeline.block)}", batches, tuple(sorted(set(awaited))))
        )
    if (days := retained_days(pipeline, REPORTS_KEY)) is not None:
        before = pipeline.block.before(newest, days - 1)
        reports = expired_reports(lake, before, lambda day: _is_on_probation(day, probation_since))
        items.append(Expired(f"reports of monitoring older than {quantity(days, pipeline.block)}", reports))
    return items


def expired_log_files(settings: Settings, pipeline: Pipeline, newest: date) -> list[Unused]:
    """Files of the request log on this machine that are there still, such as damaged ones."""
    days = retained_days(pipeline, DATASETS[REQUESTS])
    if days is None:
        return []
    files = []
    for folder in sorted((settings.request_log_folder / pipeline.name).glob("*-*-*")):
        with suppress(UsageError):
            if parse_day(folder.name) <= pipeline.block.before(newest, days):
                sizes = [path.stat() for path in folder.rglob("*") if path.is_file()]
                changed = max((one.st_mtime for one in sizes), default=folder.stat().st_mtime)
                size = sum(one.st_size for one in sizes)
                files.append(Unused(folder, size, datetime.fromtimestamp(changed, UTC)))
    return files


def newest_day(lake: Lake) -> date | None:
    """The newest published day of a pipeline: ages are counted from it, so a pipeline that is paused loses nothing."""
    days = [day for dataset in ("features", *DATASETS) if (day := lake.newest(dataset)) is not None]
    return max((parse_day(day) for day in days), default=None)


def _is_on_probation(day: str, since: str | None) -> bool:
    return since is not None and day >= since
