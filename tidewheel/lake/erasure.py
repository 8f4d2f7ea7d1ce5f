"""Erases rows from every batch of a dataset: published, superseded and in quarantine.

A file that holds such a row is written anew without it, and each manifest that names it gets a successor: readers see
the old batch or the new one. The old manifest stays, without its files, and names its successor; so a model that was
trained on it can say what became of it. Nothing is remembered between steps. An erasure that was killed is run again,
finds what is left of the rows on the disk, and goes on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import uuid4

from tidewheel.lake.lake import DATA, PUBLISHED
from tidewheel.lake.litter import SHORTEST_GRACE
from tidewheel.lake.manifest import DataFile, Erased, Manifest, content_hash
from tidewheel.lake.successors import BatchDocument, documents, write_document
from tidewheel.lake.verified import LakeFile, open_parquet, open_verified

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from tidewheel.lake.lake import Lake


class RowSelection(Protocol):
    """Which rows are to be erased."""

    @property
    def digest(self) -> str:
        """Hash of the values that they are recognised by."""

    def columns(self, dataset: str) -> list[str]:
        """Columns of a dataset that a row is recognised by."""

    def of(self, dataset: str, table: pa.Table) -> pa.ChunkedArray:
        """For each row of a table, with those columns at least, whether it is to be erased; never null."""


@dataclass(frozen=True)
class ErasedBatch:
    """A batch that rows are to be erased from, or were.

    Attributes:
        manifest: of the batch as it was.
        rows: how many rows.
        published: whether readers saw it; else it is superseded or in quarantine.
    """

    manifest: Manifest
    rows: int
    published: bool


@dataclass(frozen=True)
class DatasetErasure:
    """What was found in a dataset, and was erased unless it was only looked for.

    Attributes:
        batches: that held such rows.
        files: that no manifest names, left by jobs that were killed, and that held such rows.
        keyless: files without the columns that a row is recognised by.
        left: files that hold such rows still, or may, each with the reason.
    """

    batches: tuple[ErasedBatch, ...] = ()
    files: tuple[str, ...] = ()
    keyless: tuple[str, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)


@dataclass
class _Searched:
    """Files with such rows: how many, and when the file was written; and the others, see `DatasetErasure`."""

    hits: dict[str, tuple[int, datetime]] = field(default_factory=dict)
    keyless: list[str] = field(default_factory=list)
    left: dict[str, str] = field(default_factory=dict)


def erase_rows(lake: Lake, dataset: str, rows: RowSelection, now: datetime, *, dry_run: bool) -> DatasetErasure:
    """Erase rows from all batches of a dataset.

    Args:
        lake: of one pipeline.
        dataset: its name.
        rows: which.
        now: the time, with its zone.
        dry_run: only look.

    Raises:
        LakeError: a manifest cannot be read, so nobody knows which files it names; or a file is not as it says.
    """
    searched = _search(lake, dataset, rows)
    hits, left, keyless = searched.hits, searched.left, tuple(searched.keyless)
    if not hits:
        return DatasetErasure(keyless=keyless, left=left)
    all_documents = list(documents(lake, dataset))
    folder = f"{lake.pipeline}/{dataset}/"
    named = {f"{folder}{file.path}" for document in all_documents for file in document.manifest.files}
    live = [document for document in all_documents if document.manifest.erased is None]
    held = [document for document in live if any(f"{folder}{file.path}" in hits for file in document.manifest.files)]
    stray = {path: changed for path, (_, changed) in hits.items() if path not in named}
    young = [path for path, changed in stray.items() if now - changed < SHORTEST_GRACE]
    left |= dict.fromkeys(young, "a job may be about to publish it: run this again when no job runs")
    if not dry_run:
        _replace(lake, dataset, rows, held, hits, now)
        for path in hits.keys() - set(young):
            lake.store.remove(path)
            if not lake.store.list_folder(parent := path.rsplit("/", 1)[0]):
                lake.store.remove(parent)
    erased: dict[tuple[str, str], ErasedBatch] = {}
    for document in sorted(held, key=lambda each: not each.is_published):
        manifest = document.manifest
        count = sum(hits[path][0] for file in manifest.files if (path := f"{folder}{file.path}") in hits)
        batch = ErasedBatch(manifest, count, document.is_published)
        erased.setdefault((manifest.partition, manifest.content_hash), batch)
    return DatasetErasure(tuple(erased.values()), tuple(sorted(stray.keys() - set(young))), keyless, left)


def _search(lake: Lake, dataset: str, rows: RowSelection) -> _Searched:
    """Look at every file of a dataset, whatever names it."""
    columns, matches = rows.columns(dataset), _Searched()
    for path, _, changed in sorted(lake.store.find_details(f"{lake.pipeline}/{dataset}/{DATA}")):
        if not path.endswith(".parquet"):
            continue
        try:
            with lake.store.open(path) as opened:
                parquet = open_parquet(opened)
                if not set(columns) <= set(parquet.schema_arrow.names):
                    matches.keyless.append(path)
                    continue
                groups = range(parquet.num_row_groups)
                tables = (parquet.read_row_group(group, columns, use_threads=False) for group in groups)
                count = sum(_count(rows.of(dataset, table)) for table in tables)
        except FileNotFoundError:
            continue  # removed since it was listed
        except (OSError, ValueError) as error:  # Arrow's own errors are both
            matches.left[path] = f"it cannot be read ({error}): delete it if it is not needed"
            continue
        if count:
            matches.hits[path] = count, changed
    return matches


def _count(mask: pa.ChunkedArray) -> int:
    import pyarrow.compute as pc

    return int(pc.sum(mask).as_py() or 0)


def _replace(
    lake: Lake,
    dataset: str,
    rows: RowSelection,
    held: list[BatchDocument],
    hits: Mapping[str, tuple[int, datetime]],
    now: datetime,
) -> None:
    """Write the files anew, then give each manifest its successor; what readers see changes with `manifest.json`."""
    folder, written = f"{lake.pipeline}/{dataset}/", {}
    for document in sorted(held, key=lambda each: not each.is_published):
        old = document.manifest
        files = []
        for file in old.files:
            path = f"{folder}{file.path}"
            if path in hits and path not in written:
                written[path] = _without(
                    lake, dataset, rows, LakeFile(path, file.bytes, file.sha256, file.rows, old.key)
                )
            files.append(written.get(path, file))
        new = old.model_copy(update={"files": tuple(files), "content_hash": content_hash(old.columns, files)})
        new = _there_already(lake, dataset, new) or new
        erased = Erased(at=now, rows=old.rows - new.rows, of=rows.digest, successor=new.content_hash)
        gone = old.model_copy(update={"erased": erased})
        parent = document.path.rsplit("/", 1)[0]
        if document.record is not None:
            write_document(lake, document, new, f"{parent}/{new.short_hash}.json")
            lake.store.remove(document.path)
            continue
        write_document(lake, document, new, f"{parent}/{new.content_hash}.json")
        there = lake.published(dataset, old.partition)
        if there is not None and there.content_hash == old.content_hash:  # else a job has published meanwhile
            write_document(lake, document, new, f"{parent}/{PUBLISHED}")
        write_document(lake, document, gone, f"{parent}/{old.content_hash}.json")


def _there_already(lake: Lake, dataset: str, new: Manifest) -> Manifest | None:
    """The manifest of the same content, from before or from an erasure that was killed."""
    content = lake.store.read(f"{lake.pipeline}/{dataset}/{new.partition}/{new.content_hash}.json")
    there = Manifest.model_validate_json(content) if content else None
    return there if there is not None and there.erased is None else None


def _without(lake: Lake, dataset: str, rows: RowSelection, file: LakeFile) -> DataFile:
    """Write a file anew without the rows."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    name = f"{DATA}/{uuid4().hex}/{file.path.rsplit('/', 1)[1]}"
    path = f"{lake.pipeline}/{dataset}/{name}"
    count = 0
    with open_verified(lake.store, file) as opened, lake.store.open(path, "wb") as target:
        parquet: pq.ParquetFile = open_parquet(opened)
        with pq.ParquetWriter(target, parquet.schema_arrow, compression="zstd") as writer:
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group, use_threads=False)
                left = table.filter(pc.invert(rows.of(dataset, table)))
                writer.write_table(left)
                count += left.num_rows
    sha256, size = lake.store.sha256(path)
    return DataFile(path=name, rows=count, bytes=size, sha256=sha256)
