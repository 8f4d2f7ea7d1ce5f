"""Decodes large bodies and tables, in a process of its own: `python -m bentos.decoder FOLDER`.

A few kilobytes may claim to be gigabytes, and the libraries that read them believe it. What they then do cannot be
bounded from within: so this process has a limit on its memory and one on its CPU time, and what exceeds them ends this
process and not the service. It also leaves the service's interpreter free for the small requests, and gives way to it.

It reads requests from its standard input and writes what became of them to its standard output, each with a head.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
import struct
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bentos.without_pandas import hide_pandas

if TYPE_CHECKING:
    from collections.abc import Callable

    from bentos.packaged import Packaged
    from bentos.request import CheckedRows

    Reader = Callable[[bytes | bytearray], CheckedRows]

REQUEST = struct.Struct("<BBQ")
"""Form of a body, whether it is packed, and its length; the body follows."""
OUTCOME = struct.Struct("<BBQ")
"""What became of it, whether this process ends now, and the length of what follows."""
JSON_FORM, ARROW_FORM, PARQUET_FORM = range(3)
ROWS, REFUSED, TOO_LARGE, FAILED = range(4)
MOST_MEMORY = 224 << 20
"""Bytes on top of what the process has before its first request."""
MOST_LEFT = 48 << 20
"""A process that keeps more than this of a request is ended: the next request shall find all its memory free."""
CPU_SECONDS = 4
NICENESS = 10


def main() -> None:
    """Decode until standard input ends."""
    hide_pandas()
    from bentos.packaged import Packaged

    packaged = Packaged.read(Path(sys.argv[1]))
    readers = _readers(packaged)
    gc.freeze()
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    most = _memory("VmSize:") + MOST_MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resident = _memory("VmRSS:")
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    while head := requests.read(REQUEST.size):
        form, packed, size = REQUEST.unpack(head)
        # When it goes off, it ends the process, wherever that is.
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)
        kind, content = _decoded(readers[form], requests, bool(packed), size)
        signal.setitimer(signal.ITIMER_PROF, 0)
        ends = kind in (TOO_LARGE, FAILED) or _memory("VmRSS:") - resident > MOST_LEFT
        answers.write(OUTCOME.pack(kind, ends, len(content)))
        answers.write(content)
        answers.flush()
        if ends:
            break


def _readers(packaged: Packaged) -> tuple[Reader, ...]:
    """What reads each form, after each has read a golden row, so that all is loaded before memory is measured."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from bentos.problems import RequestRefused
    from bentos.request import Reader
    from bentos.tables import TableReader

    rows, tables = Reader(packaged), TableReader(packaged)
    golden = [golden.row for golden in packaged.contract.golden_rows[:1]]
    rows.from_rows(golden)
    table = pa.Table.from_pylist([dict(row) for row in golden])
    stream, file = pa.BufferOutputStream(), pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    pq.write_table(table, file)
    for read, sink in ((tables.from_stream, stream), (tables.from_parquet, file)):
        try:
            read(sink.getvalue().to_pybytes())
        except RequestRefused:  # the one row may have only nulls in a column, of no type that the contract takes
            continue
    return rows.from_json, tables.from_stream, tables.from_parquet


def _decoded(read: Reader, requests: BinaryIO, packed: bool, size: int) -> tuple[int, bytes]:
    from bentos.content_encoding import LARGEST_BODY, TooLarge, too_large, unpacked
    from bentos.decoded import write_refusal, write_rows
    from bentos.problems import RequestRefused

    try:
        body = bytearray(size)
        requests.readinto(body)  # type: ignore[attr-defined]  # a buffered reader fills it
        return ROWS, write_rows(read(unpacked(body, LARGEST_BODY) if packed else body))
    except RequestRefused as refusal:
        return REFUSED, write_refusal(refusal)
    except TooLarge:
        return REFUSED, write_refusal(too_large(LARGEST_BODY))
    except MemoryError:
        return TOO_LARGE, b""
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # pydantic's, where it gets no memory
            return TOO_LARGE, b""
        return FAILED, traceback.format_exc(limit=-20)[-4000:].encode(errors="replace")


def _memory(figure: str) -> int:
    """A figure of this process's memory, in bytes, by its name in /proc."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(figure):
            return int(line.split()[1]) << 10
    raise AssertionError(f"/proc/self/status has no {figure}")


if __name__ == "__main__":
    main()
