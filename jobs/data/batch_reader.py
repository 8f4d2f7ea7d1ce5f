"""What one Spark executor does to read batches from a store that Spark itself does not know: files in, their rows out.

The JVM brings readers for folders only; one for S3 would be a jar that no package has. Files are read here as
everywhere else in the lake, by fsspec and Arrow, with the same options and keys.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from jobs.data.column_names import OURS
from tidewheel.lake import LakeFile, Store, open_parquet, open_verified

PATH = f"{OURS}path"
"""Column that names the file of a row, relative to the dataset's folder."""
BYTES, SHA256 = f"{OURS}bytes", f"{OURS}sha256"
"""What the file must be, by its manifest."""
ROWS_AT_ONCE = 50_000


@dataclass(frozen=True)
class BatchReader:
    """Reads files; Spark sends it to the executors.

    Attributes:
        lake_root: URL of the lake's root.
        lake_options: fsspec options of the lake.
        folder: of the dataset, relative to the lake's root.
        columns: names and types to read.
    """

    lake_root: str
    lake_options: Mapping[str, object]
    folder: str
    columns: pa.Schema

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Read the files named in the column `PATH`; answers their rows, each with the path of its file.

        Raises:
            LakeError: a file is gone, or another than its manifest says.
        """
        store = Store(self.lake_root, self.lake_options)
        for batch in batches:
            for named in batch.to_pylist():
                path, key = named[PATH], f"{self.folder.rsplit('/', 1)[-1]}/{named['partition']}"
                file = LakeFile(f"{self.folder}/{path}", named[BYTES], named[SHA256], 0, key)
                with open_verified(store, file) as opened:
                    for rows in open_parquet(opened).iter_batches(
                        ROWS_AT_ONCE, columns=self.columns.names, use_threads=False
                    ):
                        table = pa.Table.from_batches([rows]).select(self.columns.names).cast(self.columns)
                        yield from table.append_column(PATH, pa.repeat(path, rows.num_rows)).to_batches()
