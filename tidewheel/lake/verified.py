"""The one door through which files of the lake are read: size and hash are compared before a row is used.

A file is read once: what was hashed is what is parsed. Only a file too large for memory is read twice, through one
handle, so that no other file can take its place in between.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from tidewheel.errors import LakeError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

    from tidewheel.lake.store import Store

CHUNK = 1 << 20
LARGEST_IN_MEMORY = 128 << 20
"""Bytes of a file that is read into memory before it is parsed; Spark's executors hold one file each."""
HASHED_AT_ONCE = 4
MAKE_AGAIN = "restore the file, or make the partition again"

Document = TypeVar("Document", bound=BaseModel)


@dataclass(frozen=True)
class LakeFile:
    """One Parquet file of a batch, and what it must be.

    Attributes:
        path: relative to the lake's root.
        bytes: its size.
        sha256: of its content.
        rows: in it.
        batch: `dataset/partition` of the batch that names it.
    """

    path: str
    bytes: int
    sha256: str
    rows: int
    batch: str


@contextmanager
def open_verified(store: Store, file: LakeFile) -> Iterator[IO[bytes]]:
    """Open a file of a batch whose every byte is what its manifest says.

    Args:
        store: where it lies.
        file: what it must be.

    Raises:
        LakeError: it is gone, or another.
    """
    with ExitStack() as stack:
        try:
            opened = stack.enter_context(store.open(file.path))
            readable, wrong = _checked(opened, file)
        except OSError as error:
            raise _not_as_named(store, file, str(error)) from error
        if wrong:
            raise _not_as_named(store, file, wrong)
        yield readable


def open_parquet(opened: IO[bytes]) -> pq.ParquetFile:
    """Open a file that is to be read with `use_threads=False`: then no thread of Arrow's ever holds it.

    One that does may do so for longer than the interpreter lives, and abort the process as it ends: 21 of 150 short
    processes on a busy machine (https://github.com/apache/arrow/issues/34314).
    """
    import pyarrow.parquet as pq

    return pq.ParquetFile(opened, pre_buffer=False)


def verify_files(store: Store, files: Iterable[LakeFile]) -> None:
    """Compare files with their manifests, for readers that open paths themselves.

    Raises:
        LakeError: one is gone, or another.
    """

    def verify(file: LakeFile) -> None:
        with open_verified(store, file):
            pass

    with ThreadPoolExecutor(HASHED_AT_ONCE) as pool:
        list(pool.map(verify, files))


def read_document(kind: type[Document], content: bytes, url: str, what: str, remedy: str) -> Document:
    """Read a JSON file of the lake.

    Args:
        kind: what it must hold.
        content: of the file.
        url: of the file, for the message.
        what: the file is, in words.
        remedy: what a person can do where it is broken.

    Raises:
        LakeError: the file was cut off or changed.
    """
    try:
        return kind.model_validate_json(content)
    except ValidationError as error:
        raise LakeError(f"{url} is not {what}: {_first(error)} ({len(content):,} bytes); {remedy}") from None


def _checked(opened: IO[bytes], file: LakeFile) -> tuple[IO[bytes], str]:
    """What to read the file's content from, and what is wrong with it, empty where nothing is."""
    if file.bytes > LARGEST_IN_MEMORY:
        wrong = _difference(file, *_hash(opened))
        opened.seek(0)
        return opened, wrong
    content = opened.read(file.bytes + 1)
    return io.BytesIO(content), _difference(file, hashlib.sha256(content).hexdigest(), len(content))


def _first(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(step) for step in first["loc"])
    return f"{where}: {first['msg']}" if where else str(first["msg"])


def _hash(opened: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := opened.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _difference(file: LakeFile, sha256: str, size: int) -> str:
    if size != file.bytes:
        found = f"more than {file.bytes}" if size > file.bytes else size
        return f"it has {found} bytes, not {file.bytes}"
    return "" if sha256 == file.sha256 else f"its sha256 is {sha256}, not {file.sha256}"


def _not_as_named(store: Store, file: LakeFile, wrong: str) -> LakeError:
    return LakeError(f"{store.url(file.path)} is not what the manifest of {file.batch} says: {wrong}; {MAKE_AGAIN}")
