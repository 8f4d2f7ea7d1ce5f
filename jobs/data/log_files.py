"""Where the request log's files lie: in a folder of this machine, or in the lake, where serving pods ship theirs to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from bentos.segments import SEGMENT_SECONDS, SUFFIX, Segment
from tidewheel.atomic_file import replace_file
from tidewheel.lake.expiry import INBOX

if TYPE_CHECKING:
    from tidewheel.lake import Lake, Store

SET_ASIDE = ".damaged"
"""Is added to the name of a damaged file whose undamaged rows are published."""
NEVER = datetime.min.replace(tzinfo=UTC)
"""Beginning of a file whose beginning matters to nobody."""


@dataclass(frozen=True)
class LogFile(Segment, ABC):
    """A file of the log, wherever it lies.

    Attributes:
        path: names it in its place.
    """

    @property
    @abstractmethod
    def finished_after(self) -> timedelta:
        """A file that was not changed for so long is changed no more."""

    @abstractmethod
    def content(self) -> pa.Buffer | None:
        """All that it holds; None where it is gone."""

    @abstractmethod
    def changed(self) -> datetime | None:
        """When it was last written to; None where it is gone."""

    @abstractmethod
    def remove(self) -> None:
        """Delete it."""

    @abstractmethod
    def replace(self, content: bytes) -> None:
        """Give it other content, in one step."""

    @abstractmethod
    def set_aside(self) -> str:
        """Give it a name that nobody reads, and return that."""

    def is_finished(self, now: datetime) -> bool:
        """Whether nobody will write to it any more."""
        changed = self.changed()
        return changed is not None and changed + self.finished_after < now


@dataclass(frozen=True)
class LocalFile(LogFile):
    """A file that a service on this machine appends to."""

    @property
    def finished_after(self) -> timedelta:
        """What it is for was answered long ago."""
        return timedelta(seconds=SEGMENT_SECONDS + 60)

    def __str__(self) -> str:
        return str(self.path)

    def content(self) -> pa.Buffer | None:
        """See `LogFile`."""
        try:
            with pa.memory_map(str(self.path)) as file:
                return file.read_buffer()
        except (FileNotFoundError, pa.ArrowInvalid):  # Arrow calls a file invalid that is empty
            return None

    def changed(self) -> datetime | None:
        """See `LogFile`."""
        try:
            return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        """See `LogFile`."""
        self.path.unlink()

    def replace(self, content: bytes) -> None:
        """See `LogFile`. It is as old as before: nobody writes to it."""
        before = self.path.stat()
        replace_file(self.path, content, times_ns=(before.st_atime_ns, before.st_mtime_ns))

    def set_aside(self) -> str:
        """See `LogFile`."""
        return self.path.rename(self.path.with_name(f"{self.path.name}{SET_ASIDE}")).name


@dataclass(frozen=True)
class ShippedFile(LogFile):
    """A file of the lake that a pod writes anew while its own file grows; its path is relative to the lake's root."""

    store: Store = field(compare=False)

    @property
    def finished_after(self) -> timedelta:
        """Longer than a pod is cut off from the lake and any job takes to publish: what is deleted was published."""
        return timedelta(hours=6)

    def __str__(self) -> str:
        return self.store.url(str(self.path))

    def content(self) -> pa.Buffer | None:
        """See `LogFile`."""
        content = self.store.read(str(self.path))
        return pa.py_buffer(content) if content else None

    def changed(self) -> datetime | None:
        """See `LogFile`."""
        # Read anew and not taken from the listing: it may have been written since.
        return next((changed for path, _, changed in self.store.find_details(str(self.path))), None)

    def remove(self) -> None:
        """See `LogFile`."""
        self.store.remove(str(self.path))

    def replace(self, content: bytes) -> None:
        """See `LogFile`."""
        self.store.replace(str(self.path), content)

    def set_aside(self) -> str:
        """See `LogFile`."""
        aside = self.path.with_name(f"{self.path.name}{SET_ASIDE}")
        content = self.store.read(str(self.path))
        if content is not None:
            self.store.replace(str(aside), content)
            self.remove()
        return aside.name


class LocalFiles:
    """The files below a folder.

    Args:
        folder: of a pipeline; need not be there.
        suffix: ends the names of the files.
    """

    def __init__(self, folder: Path, suffix: str = SUFFIX) -> None:
        self._folder, self._suffix = folder, suffix

    def days(self) -> set[str]:
        """Days that have files."""
        return {path.parent.name for path in self._folder.glob(f"*/*{self._suffix}")}

    def set_aside(self) -> list[LogFile]:
        """Damaged files that nobody reads any more."""
        return [LocalFile(NEVER, path) for path in sorted(self._folder.glob(f"*/*{SET_ASIDE}"))]

    def of(self, day: str) -> list[LogFile]:
        """The files of one day."""
        paths = (self._folder / day).glob(f"*{self._suffix}")
        return [LocalFile(segment.begun, segment.path) for path in paths if (segment := Segment.at(path))]


class ShippedFiles:
    """The files that pods have shipped to a lake.

    Args:
        lake: of a pipeline.
        suffix: ends the names of the files.
    """

    def __init__(self, lake: Lake, suffix: str = SUFFIX) -> None:
        self._suffix = suffix
        self._store, self._inbox = lake.store, f"{lake.pipeline}/{INBOX}"

    def days(self) -> set[str]:
        """Days that have files."""
        return {Path(path).parent.name for path in self._store.find(self._inbox, self._suffix)}

    def set_aside(self) -> list[LogFile]:
        """Damaged files that nobody reads any more."""
        return [ShippedFile(NEVER, Path(path), self._store) for path in self._store.find(self._inbox, SET_ASIDE)]

    def of(self, day: str) -> list[LogFile]:
        """The files of one day."""
        paths = map(Path, self._store.find(f"{self._inbox}/{day}", self._suffix))
        return [
            ShippedFile(segment.begun, segment.path, self._store) for path in paths if (segment := Segment.at(path))
        ]
