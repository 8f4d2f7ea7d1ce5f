"""The lake: batches that become visible in one step, and stay nameable by their content.

Layout below the lake's root, for each pipeline and dataset:

    <pipeline>/<dataset>/<partition>/manifest.json      the published batch of that day, week or hour
    <pipeline>/<dataset>/<partition>/<hash>.json        every manifest there ever was, by content hash
    <pipeline>/<dataset>/_data/<write-id>/...           the Parquet files that manifests name
    <pipeline>/<dataset>/_quarantine/<partition>/...    refused batches, untouched, each with its reason

A writer stages: it writes files to a fresh `write-id` and leaves a manifest by content hash that nobody reads yet.
Publishing copies that manifest over `manifest.json`. Readers read only what a published manifest names.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

from tidewheel.errors import LakeError
from tidewheel.hours import is_hour
from tidewheel.lake.manifest import SHORT_HASH, DataFile, Manifest, content_hash
from tidewheel.lake.store import Store
from tidewheel.lake.verified import LakeFile, open_parquet, open_verified, read_document, verify_files
from tidewheel.partitions import DAY, HOUR, Partitioning
from tidewheel.settings import Settings, load_settings

if TYPE_CHECKING:
    from mmap import mmap

    import pyarrow as pa
    import pyarrow.compute as pc

PUBLISHED = "manifest.json"
DATA = "_data"
QUARANTINE = "_quarantine"
LONGEST_END = 180
"""Bytes of a source file's name that stay in quarantine, where more is written before and after it."""


class Lake:
    """All datasets of one pipeline."""

    def __init__(self, pipeline: str, store: Store) -> None:
        self.pipeline = pipeline
        self.store = store

    @classmethod
    def open(cls, pipeline: str, settings: Settings | None = None) -> Lake:
        """The lake of this installation."""
        settings = settings or load_settings()
        return cls(pipeline, Store(settings.lake_root, settings.lake_options))

    # --- writing ---------------------------------------------------------------------------------------------------

    def fresh_folder(self, dataset: str) -> str:
        """A folder that no other writer has, relative to the lake's root; Spark writes to `store.url(folder)`."""
        return f"{self._dataset(dataset)}/{DATA}/{uuid4().hex}"

    def write_table(
        self, dataset: str, partition: str, table: pa.Table, inputs: Mapping[str, str], code: str
    ) -> Manifest:
        """Write one Arrow table as one file, and stage it."""
        import pyarrow.parquet as pq

        path = f"{self.fresh_folder(dataset)}/part-00000.parquet"
        with self.store.open(path, "wb") as file:
            pq.write_table(table, file, compression="zstd")
        return self.stage(dataset, partition, [path], inputs, code)

    def stage(
        self, dataset: str, partition: str, paths: Sequence[str], inputs: Mapping[str, str], code: str
    ) -> Manifest:
        """Describe files already written (paths relative to the lake's root) as a batch that is not yet visible.

        Raises:
            LakeError: there are no files, one is not Parquet, or their columns differ.
        """
        import pyarrow as pa

        if not paths:
            raise LakeError(f"{self.pipeline}: no files to stage for {dataset}/{partition}")
        files, columns = [], None
        base = f"{self._dataset(dataset)}/"
        for path in paths:
            with self.store.open(path) as opened:
                try:
                    parquet = open_parquet(opened)
                    schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
                except (pa.ArrowInvalid, OSError) as error:  # Arrow says OSError where a page is broken
                    raise LakeError(f"{self.store.url(path)} is not a Parquet file: {error}") from error
            types = {field.name: str(field.type) for field in schema}
            if columns not in (None, types):
                raise LakeError(f"{dataset}/{partition}: {path} has other columns than the files before it: {types}")
            columns = types
            sha256, size = self.store.sha256(path)
            files.append(DataFile(path=path.removeprefix(base), rows=rows, bytes=size, sha256=sha256))
        manifest = Manifest(
            pipeline=self.pipeline,
            dataset=dataset,
            partition=partition,
            files=tuple(files),
            columns=columns or {},
            inputs=dict(sorted(inputs.items())),
            code_version=code,
            content_hash=content_hash(columns or {}, files),
        )
        self.store.replace(self._path(dataset, partition, f"{manifest.content_hash}.json"), _dump(manifest))
        return manifest

    def publish(self, manifest: Manifest) -> None:
        """Make a staged batch the one that readers see."""
        self.store.replace(self._path(manifest.dataset, manifest.partition, PUBLISHED), _dump(manifest))

    def quarantine(self, manifest: Manifest, reason: str, details: Mapping[str, object]) -> str:
        """Keep a refused batch with its reason; the published one stays what it was. Returns the URL of the record."""
        record = {"reason": reason, "details": dict(details), "manifest": manifest.model_dump(mode="json")}
        name = f"{manifest.short_hash}.json"
        return self._quarantine(manifest.dataset, manifest.partition, name, json.dumps(record, indent=2).encode())

    def quarantine_raw(self, dataset: str, partition: str, name: str, content: bytes | mmap, reason: str) -> str:
        """Keep a source file that was refused, untouched, with the reason beside it. Returns its URL.

        A part of its hash is in its name: a file that is delivered again, and broken again, replaces no evidence. Of a
        long name the end stays.
        """
        end = name.encode()[-LONGEST_END:].decode(errors="ignore")
        stored = f"{hashlib.sha256(content).hexdigest()[:SHORT_HASH]}-{end}"
        self._quarantine(dataset, partition, f"{stored}.reason.json", json.dumps({"reason": reason}, indent=2).encode())
        return self._quarantine(dataset, partition, stored, content)

    def quarantine_reason(self, dataset: str, partition: str) -> str | None:
        """Why a day's newest batch in quarantine was refused; None where none lies there."""
        stored = self.store.find_details(f"{self._dataset(dataset)}/{QUARANTINE}/{partition}")
        records = [(modified, path) for path, _, modified in stored if _is_reason(path)]
        if not records or (content := self.store.read(path := max(records)[1])) is None:
            return None
        try:
            return str(json.loads(content)["reason"])
        except (ValueError, KeyError, TypeError):
            return f"its record {self.store.url(path)} was cut off or changed, so nobody knows why"

    # --- reading ---------------------------------------------------------------------------------------------------

    def published(self, dataset: str, partition: str) -> Manifest | None:
        """The manifest readers see, or None where nothing is published.

        Raises:
            LakeError: the file there is no manifest, or that of another batch.
        """
        return self._load(dataset, partition, PUBLISHED)

    def manifest(self, dataset: str, partition: str, content_hash: str) -> Manifest:
        """A manifest by content hash, published or not.

        Raises:
            LakeError: there never was such a batch, or the file there is another's.
        """
        name = f"{content_hash}.json"
        loaded = self._load(dataset, partition, name)
        if loaded is None:
            raise LakeError(f"{self.pipeline}: {dataset}/{partition} never had content {content_hash}")
        if loaded.content_hash != content_hash:
            url = self.store.url(self._path(dataset, partition, name))
            raise LakeError(f"{url} is the manifest of other content, {loaded.content_hash}; {_RESTORE}")
        return loaded

    def need(self, dataset: str, partition: str) -> Manifest:
        """The published manifest.

        Raises:
            LakeError: nothing is published there.
        """
        published = self.published(dataset, partition)
        if published is None:
            newest = self.newest(dataset, HOUR if is_hour(partition) else DAY) or "none"
            raise LakeError(
                f"{self.pipeline}: {dataset}/{partition} is not published (newest published: {newest}); "
                f"run the job that makes {dataset} for {partition} first"
            )
        return published

    def partitions(self, dataset: str, unit: Partitioning = DAY) -> list[str]:
        """Keys of the published partitions, in order: of hours, or of the days or weeks."""
        return [name for name in self.keys(dataset, unit) if self._is_published(dataset, name)]

    def newest(self, dataset: str, unit: Partitioning = DAY) -> str | None:
        """Key of the newest published partition; looks at no more of them than it must."""
        return next((name for name in reversed(self.keys(dataset, unit)) if self._is_published(dataset, name)), None)

    def keys(self, dataset: str, unit: Partitioning = DAY) -> list[str]:
        """Keys of all partitions that were ever staged, in order: of hours, or of the days or weeks."""
        names = self.store.list_folder(self._dataset(dataset))
        return [name for name in names if not name.startswith("_") and is_hour(name) == (unit is HOUR)]

    def files(self, manifest: Manifest) -> list[LakeFile]:
        """A batch's files, each with what it must be, for `open_verified`.

        Raises:
            LakeError: rows were erased from the batch, so its files are gone.
        """
        if (erased := manifest.erased) is not None:
            raise LakeError(
                f"{self.pipeline}: {manifest.key} with content {manifest.short_hash} is gone: {erased.rows:,} of its "
                f"rows were erased on {erased.at:%Y-%m-%d} by `tidewheel erase`. The other rows are in content "
                f"{erased.successor[:SHORT_HASH]}: start what reads it anew"
            )
        folder = self._dataset(manifest.dataset)
        return [
            LakeFile(f"{folder}/{file.path}", file.bytes, file.sha256, file.rows, manifest.key)
            for file in manifest.files
        ]

    def urls(self, manifest: Manifest) -> list[str]:
        """URLs of a batch's files. Who hands them to a reader of its own calls `verify` before."""
        return [self.store.url(file.path) for file in self.files(manifest)]

    def verify(self, manifests: Iterable[Manifest]) -> None:
        """Compare every byte of some batches with their manifests.

        Raises:
            LakeError: a file is gone, or is not what the manifest says.
        """
        verify_files(self.store, (file for manifest in manifests for file in self.files(manifest)))

    def read(
        self, manifest: Manifest, columns: Sequence[str] | None = None, *, where: pc.Expression | None = None
    ) -> pa.Table:
        """Read a batch into memory, in the order its manifest names the files, and compare every byte with it.

        Args:
            manifest: of the batch.
            columns: only these; default: all.
            where: parts of a file whose statistics rule it out are not read; other rows may still come along.

        Raises:
            LakeError: a file is gone, or is not what the manifest says.
        """
        return self._concatenated(self._read_file(file, columns, where) for file in self.files(manifest))

    def read_all(self, manifests: Iterable[Manifest], columns: Sequence[str] | None = None) -> pa.Table:
        """Read several batches, one after the other.

        Raises:
            LakeError: there are no batches, or one is not what its manifest says.
        """
        return self._concatenated(self._read_file(file, columns) for batch in manifests for file in self.files(batch))

    def _concatenated(self, tables: Iterable[pa.Table]) -> pa.Table:
        import pyarrow as pa

        read = list(tables)
        if not read:
            raise LakeError(f"{self.pipeline}: no batches to read were named")
        return pa.concat_tables(read, promote_options="permissive")

    def _read_file(self, file: LakeFile, columns: Sequence[str] | None, where: pc.Expression | None = None) -> pa.Table:
        from pyarrow.dataset import ParquetFileFormat

        names = list(columns) if columns else None
        with open_verified(self.store, file) as opened:
            parquet = open_parquet(opened)
            if where is None:
                table = parquet.read(names, use_threads=False)
            else:
                groups = ParquetFileFormat().make_fragment(opened).subset(where).row_groups
                table = parquet.read_row_groups([group.id for group in groups], names, use_threads=False)
        return table.select(names) if names else table  # a name that is not there is an error

    # --- places ----------------------------------------------------------------------------------------------------

    def _dataset(self, dataset: str) -> str:
        return f"{self.pipeline}/{dataset}"

    def _is_published(self, dataset: str, partition: str) -> bool:
        return bool(self.store.fs.exists(self.store.local(self._path(dataset, partition, PUBLISHED))))

    def _path(self, dataset: str, partition: str, name: str) -> str:
        return f"{self._dataset(dataset)}/{partition}/{name}"

    def _quarantine(self, dataset: str, partition: str, name: str, content: bytes | mmap) -> str:
        path = f"{self._dataset(dataset)}/{QUARANTINE}/{partition}/{name}"
        self.store.replace(path, content)
        return self.store.url(path)

    def _load(self, dataset: str, partition: str, name: str) -> Manifest | None:
        path = self._path(dataset, partition, name)
        content = self.store.read(path)
        if content is None:
            return None
        url = self.store.url(path)
        document = read_document(Manifest, content, url, "a manifest", _RESTORE)
        if (document.pipeline, document.dataset, document.partition) != (self.pipeline, dataset, partition):
            raise LakeError(
                f"{url} is the manifest of {document.key} of {document.pipeline}, in the wrong place; {_RESTORE}"
            )
        if (computed := content_hash(document.columns, document.files)) != document.content_hash:
            raise LakeError(
                f"{url} was changed: it names files whose content hash is {computed}, and says "
                f"{document.content_hash}; "
                f"{_RESTORE}"
            )
        return document


_RESTORE = (
    f"copy the batch's own manifest, <content hash>.json in its partition's folder, over {PUBLISHED}, or restore it "
    "from a backup, or make the partition again"
)


def _is_reason(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    return name.endswith(".reason.json") or bool(re.fullmatch(rf"[0-9a-f]{{{SHORT_HASH}}}\.json", name))


def _dump(manifest: Manifest) -> bytes:
    return manifest.model_dump_json(indent=2).encode()
