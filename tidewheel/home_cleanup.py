"""Removes from a home what can be made again and has long not been used: it grows with every version of a model.

Using such a thing marks it as used, by its time of change. So what a running job reads is never old, and there is no
list of users. Bentos are the exception: a service reads its own when it starts, which may be months ago, so
the caller says which versions are needed.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

import psutil

if TYPE_CHECKING:
    from tidewheel.settings import Settings

HALF_REMOVED = ".removed"
"""How the name ends of what was being removed when its remover was killed."""
SCRATCH_DAYS = 1
"""Spark's files of a job that has ended are of no use; this only guards against a clock that was set."""
CLOCK = timedelta(minutes=1)
"""A process knows its beginning by the machine's, which is known to the second only."""


@dataclass(frozen=True)
class Unused:
    """Something that may go.

    Attributes:
        path: a file or a folder.
        bytes: its size.
        used: when it was last used.
    """

    path: Path
    bytes: int
    used: datetime


def mark_used(path: Path) -> None:
    """Keep something from being removed as unused.

    Raises:
        FileNotFoundError: it is not there.
    """
    os.utime(path)


def unused_models(settings: Settings, before: datetime) -> list[Unused]:
    """Models that were downloaded from the registry: one that is needed again is downloaded again."""
    return _found(settings.model_cache.glob("*/*"), _changed, before)


def unused_replays(settings: Settings, before: datetime) -> list[Unused]:
    """What replays have computed, for this code or an earlier one: what is missing is computed again."""
    return _found(settings.replay_cache.glob("*/*/*"), _changed, before)


def unused_scratch(settings: Settings, now: datetime) -> list[Unused]:
    """Files of killed Spark jobs: nobody has changed them since the oldest living Spark of this home began."""
    began = [now - timedelta(days=SCRATCH_DAYS), *_sparks(settings.spark_folder)]
    return _found(settings.spark_folder.glob("*"), _newest_change, min(began))


def bento_pipelines(settings: Settings) -> list[str]:
    """Pipelines that Bentos were built for, declared still or not."""
    return sorted(folder.name for folder in settings.bento_folder.glob("bentos/*") if folder.is_dir())


def unused_bentos(settings: Settings, pipeline: str, before: datetime, needed: Collection[str]) -> list[Unused]:
    """Bentos of versions that nobody needs: a release that needs one builds it again.

    Args:
        settings: of the installation.
        pipeline: whose Bentos.
        before: those that were used later stay.
        needed: versions that are served, that a release works on, or that a rollback goes back to.
    """
    folders = (path for path in settings.bento_folder.glob(f"bentos/{pipeline}/*") if path.is_dir())
    found = _found(folders, _changed, before)
    return [each for each in found if each.path.name.rpartition("-")[0] not in needed]


def remove(unused: Iterable[Unused]) -> list[Unused]:
    """Delete things; returns those that were still there, and still unused."""
    return [each for each in unused if _remove(each)]


def _remove(each: Unused) -> bool:
    # Renamed first: what is half removed must not be taken for a whole one, whenever this process ends.
    gone = each.path.with_name(f".{uuid4().hex}{HALF_REMOVED}")
    with suppress(FileNotFoundError):  # somebody else removes it too
        if _changed(each.path) > each.used and not each.path.name.endswith(HALF_REMOVED):
            return False
        each.path.rename(gone)
        if gone.is_dir():
            shutil.rmtree(gone)
        else:
            gone.unlink()
        return True
    return False


def _found(paths: Iterable[Path], used: Callable[[Path], datetime], before: datetime) -> list[Unused]:
    entries = []
    for path in paths:
        with suppress(FileNotFoundError):  # it is being removed, or replaced
            last = used(path)
            if last < before or path.name.endswith(HALF_REMOVED):
                entries.append(Unused(path, sum(file.lstat().st_size for file in _files(path)), last))
    return sorted(entries, key=lambda each: each.path)


def _files(path: Path) -> Iterator[Path]:
    return (file for file in [path, *path.rglob("*")] if file.is_symlink() or file.is_file())


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)


def _newest_change(path: Path) -> datetime:
    return max(_changed(each) for each in [path, *path.rglob("*")])


def _sparks(folder: Path) -> list[datetime]:
    """Since when processes live to which Spark gave this scratch folder."""
    argument = f"spark.local.dir={folder}"
    living = psutil.process_iter(["cmdline", "create_time"])
    return [
        datetime.fromtimestamp(process.info["create_time"], UTC) - CLOCK
        for process in living
        if argument in (process.info["cmdline"] or ())
    ]
