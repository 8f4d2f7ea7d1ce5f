"""Ship the request log of a pod to the lake: `python -m infra.pod.ship PIPELINE FOLDER`.

Each file of the log is one object of the lake, `<pipeline>/requests/_inbox/<day>/<file>`, which is written anew while
the file grows. So a file that is shipped twice is there once. A file that nobody appends to any more, since its writer
has let go of its lock or died, leaves the folder as soon as the lake has all of it.

SIGTERM, which Kubernetes sends a sidecar after the model's own container has ended, ships the rest and ends.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import signal
import sys
import threading
import time
from pathlib import Path

from infra.pod.lake import LakeFiles, PodError, open_lake
from infra.pod.logs import configure

log = logging.getLogger("tidewheel.ship")

SHIP_SECONDS = 2.0
"""Between two looks at the folder. The log itself is written once a second."""
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 15.0
"""After a failure, and twice as long after each that follows."""
FILES = ("*/*.arrows", "*/*.counts")


class Shipper:
    """Ships one folder.

    Args:
        folder: of the request log, see `bentos.segments`; need not be there.
        lake: where to.
        pipeline: name of the pipeline.
    """

    def __init__(self, folder: Path, lake: LakeFiles, pipeline: str) -> None:
        self._folder, self._lake = folder, lake
        self._inbox = f"{pipeline}/requests/_inbox"
        self._shipped: dict[Path, int] = {}
        self._failures = 0
        self._failing_since = 0.0

    def ship(self) -> int:
        """Ship what is new, in the order of the files' times.

        Returns:
            How many files may still grow.

        Raises:
            OSError: the lake does not answer; what was not shipped stays.
        """
        growing = 0
        for path in sorted(path for pattern in FILES for path in self._folder.glob(pattern)):
            try:
                with path.open("rb") as file:
                    ended = _has_no_writer(file.fileno())  # before reading: what is read next is then all there will be
                    content = file.read()
            except FileNotFoundError:  # the service has given it up meanwhile
                continue
            if len(content) > self._shipped.get(path, 0):
                self._lake.write(f"{self._inbox}/{path.parent.name}/{path.name}", content)
                self._shipped[path] = len(content)
            if ended and content:
                path.unlink()
                del self._shipped[path]
            else:
                growing += not ended
        return growing

    def run(self, ending: threading.Event) -> None:
        """Ship again and again; after `ending` until nothing is left.

        Args:
            ending: set when the model's own container has ended.
        """
        pause = SHIP_SECONDS
        while True:
            if ending.is_set():
                time.sleep(min(pause, SHIP_SECONDS))  # little time is left
            else:
                ending.wait(pause)
            asked_to_end = ending.is_set()
            try:
                growing = self.ship()
            except OSError as error:
                pause = self._failed(error)
            else:
                self._succeeded()
                if asked_to_end and not growing:
                    return
                pause = SHIP_SECONDS

    def _failed(self, error: OSError) -> float:
        if not self._failures:
            self._failing_since = time.monotonic()
            log.error("the request log waits in %s, since the lake %s refuses it: %s", *self._places(), error)
        self._failures += 1
        return float(min(FIRST_PAUSE_SECONDS * 2 ** (self._failures - 1), LONGEST_PAUSE_SECONDS))

    def _succeeded(self) -> None:
        if self._failures:
            seconds = time.monotonic() - self._failing_since
            log.warning("the request log of %s is in the lake %s again, after %.0f s", *self._places(), seconds)
        self._failures = 0

    def _places(self) -> tuple[Path, str]:
        return self._folder, self._lake.root


def _has_no_writer(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def main() -> None:
    """Ship until SIGTERM, and then the rest."""
    parser = argparse.ArgumentParser(prog="python -m infra.pod.ship", description=__doc__)
    parser.add_argument("pipeline")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    configure(options.pipeline)
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    try:
        Shipper(options.folder, open_lake(), options.pipeline).run(ending)
    except PodError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
