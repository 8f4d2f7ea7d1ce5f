"""The processes that decode large bodies and tables, seen from the service: started when needed, ended when hung."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
import weakref
from pathlib import Path
from queue import LifoQueue
from typing import TYPE_CHECKING

from bentos.decoded import read_refusal, read_rows
from bentos.decoder import (
    CPU_SECONDS,
    FAILED,
    MOST_MEMORY,
    OUTCOME,
    REFUSED,
    REQUEST,
    ROWS,
)
from bentos.problems import RequestRefused

if TYPE_CHECKING:
    from bentos.packaged import Packaged
    from bentos.request import CheckedRows
    from bentos.request_body import Body

CODE = Path(__file__).resolve().parent.parent
WALL_SECONDS = 15.0
"""Longer than the CPU time that it may use, since all other processes have priority."""
START_SECONDS = 60.0
END_SECONDS = 0.2
"""For a process whose pipes are closed to end by itself, or for its death to be seen."""
PART = 1 << 20
MEMORY = f"{MOST_MEMORY >> 20} MiB of memory"
OVERDUE = 0
"""Stands for the exit status of a process that was ended for its time."""


class DecoderFailed(Exception):
    """Decoding ran into an error of ours; the message is its traceback."""


class _Ended(Exception):
    """The process has ended, or was ended because it took too long.

    Attributes:
        how: its exit status, as `Popen.returncode` has it.
    """

    def __init__(self, how: int) -> None:
        super().__init__(f"exit status {how}")
        self.how = how


class Decoders:
    """Decodes in a few processes at a time; may be called from several threads.

    Args:
        folder: what was packaged.
        packaged: the same, read.
        count: processes at most; none is started before it is needed.
    """

    def __init__(self, folder: Path, packaged: Packaged, count: int) -> None:
        self._folder, self._packaged = folder, packaged
        self._idle: LifoQueue[_Process | None] = LifoQueue()
        for _ in range(count):
            self._idle.put(None)
        self.close = weakref.finalize(self, _end_all, self._idle)
        """Ends the idle processes; also called when this object is no longer referenced."""

    def rows(self, form: int, packed: bool, body: Body) -> CheckedRows:
        """The rows of a body.

        Args:
            form: `JSON_FORM`, `ARROW_FORM` or `PARQUET_FORM`.
            packed: whether it is gzip.
            body: of any size and content.

        Raises:
            RequestRefused: it is not what the contract says, or takes too much to decode.
            DecoderFailed: an error of ours.
        """
        process = self._idle.get()
        try:
            if process is not None and process.has_ended:
                process.end()
                process = None
            if process is None:
                process = _Process(self._folder)
            kind, content = process.decode(form, packed, body)
        except _Ended as ended:
            raise _ended(ended.how) from None
        finally:
            self._idle.put(None if process is None or process.has_ended else process)
        if kind == ROWS:
            return read_rows(content, self._packaged)
        if kind == REFUSED:
            raise read_refusal(content)
        if kind == FAILED:
            raise DecoderFailed(content.decode())
        raise _too_much(MEMORY)


class _Process:
    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "bentos.decoder", str(folder.absolute())]
        # What a body makes it print is no line of our log. Nothing of our own secrets goes with it.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("TIDEWHEEL_")}
        environment |= {"ARROW_DEFAULT_MEMORY_POOL": "system", "MALLOC_ARENA_MAX": "1", "OMP_NUM_THREADS": "1"}
        environment["RUST_BACKTRACE"] = "0"  # where there is no memory, to print one waits for ever
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            command, cwd=CODE, env=environment, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, bufsize=0
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        for descriptor in (self._to, self._from):
            os.set_blocking(descriptor, False)
        self._patience = START_SECONDS
        self._was_ended = False

    @property
    def has_ended(self) -> bool:
        """Whether it takes no more requests; it may have died between two of them."""
        return self._was_ended or self._process.poll() is not None

    def decode(self, form: int, packed: bool, body: Body) -> tuple[int, bytearray]:
        """Send a body and receive what became of it.

        Raises:
            _Ended: the process ended before it replied.
        """
        deadline, self._patience = time.monotonic() + self._patience + WALL_SECONDS, 0.0
        try:
            self._send(REQUEST.pack(form, packed, len(body)), deadline)
            self._send(body, deadline)
            kind, ends, size = OUTCOME.unpack(self._receive(OUTCOME.size, deadline))
            content = self._receive(size, deadline)
        except TimeoutError:
            self.end()
            raise _Ended(OVERDUE) from None
        except (BrokenPipeError, EOFError):
            raise _Ended(self.end()) from None
        if ends:
            self.end()
        return kind, content

    def end(self) -> int:
        """End it, if it has not ended by itself; returns its exit status."""
        self._was_ended = True
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        self._process.kill()
        return self._process.wait()

    def _send(self, content: Body, deadline: float) -> None:
        rest = memoryview(content)
        while rest:
            self._await(self._to, selectors.EVENT_WRITE, deadline)
            rest = rest[os.write(self._to, rest[:PART]) :]

    def _receive(self, size: int, deadline: float) -> bytearray:
        content = bytearray(size)
        rest = memoryview(content)
        while rest:
            self._await(self._from, selectors.EVENT_READ, deadline)
            if not (count := os.readv(self._from, [rest])):
                raise EOFError
            rest = rest[count:]
        return content

    def _await(self, descriptor: int, event: int, deadline: float) -> None:
        with selectors.PollSelector() as selector:
            selector.register(descriptor, event)
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise TimeoutError


def _end_all(idle: LifoQueue[_Process | None]) -> None:
    while not idle.empty():
        if process := idle.get():
            process.end()


def _ended(how: int) -> Exception:
    """What an unfinished request comes to, by the exit status of its process."""
    if how > 0:
        return DecoderFailed(f"the decoder ended with exit status {how}")
    if how in (OVERDUE, -signal.SIGPROF):
        return _too_much(f"{CPU_SECONDS} s")
    if how in (-signal.SIGABRT, -signal.SIGKILL):
        return _too_much(MEMORY)
    return RequestRefused(400, f"the body cannot be read: its decoder ended with signal {-how}")


def _too_much(took: str) -> RequestRefused:
    return RequestRefused(413, f"the rows take more than {took} to decode; send fewer or plainer ones in one request")
