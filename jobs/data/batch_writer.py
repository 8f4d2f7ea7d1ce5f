"""What one Spark executor does to write batches: sorted rows in, one Parquet file for each place out.

Spark's own writer orders the encodings in a file's footer by chance, so the same rows would give other bytes on each
run. Here Arrow writes, as it does everywhere else in the lake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, groupby
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.data.column_names import OURS
from jobs.data.numbers import NotANumber, as_numbers
from tidewheel.lake import Store

PLACE = f"{OURS}place"
"""Column that says which file a row belongs to; the rows of a place come one after the other."""
RESULT = pa.schema([("place", pa.string()), ("path", pa.string()), ("rows", pa.int64()), ("problem", pa.string())])
ROWS_PER_FILE = 1_000_000
ROWS_PER_GROUP = 200_000


@dataclass(frozen=True)
class BatchWriter:
    """Writes files; Spark sends it to the executors.

    Attributes:
        lake_root: URL of the lake's root.
        lake_options: fsspec options of the lake.
        folder: where the files go, relative to the lake's root.
        names: of the columns. Spark hands them over by position: it would take `user.age` for a field of `user`.
        numbers: those that are numeric features, and become float64.
    """

    lake_root: str
    lake_options: Mapping[str, object]
    folder: str
    names: tuple[str, ...]
    numbers: frozenset[str] = frozenset()

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Write the rows of one task, sorted by place; answers where each place's file is (see `RESULT`).

        A task that Spark tries again writes other files; only what is answered is ever staged. A value that cannot be
        a feature is answered as a problem: Spark would wrap an error into pages of its own.
        """
        store = Store(self.lake_root, self.lake_options)
        for place, pieces in groupby(_by_place(batches), key=lambda found: found[0]):
            answer: dict[str, object] = {"place": place, "path": "", "rows": 0, "problem": None}
            try:
                path, rows = self._write(store, place, (self._named(piece) for _, piece in pieces))
                answer |= {"path": path, "rows": rows}
            except NotANumber as error:
                answer |= {"problem": str(error)}
            yield pa.RecordBatch.from_pylist([answer], RESULT)

    def _named(self, piece: pa.Table) -> pa.Table:
        """The columns under their own names, numeric features as float64, times as the lake has them."""
        table = piece.rename_columns(list(self.names))
        for place, field in enumerate(table.schema):
            if field.name in self.numbers:
                table = table.set_column(place, field.name, as_numbers(table[place], field.name))
            elif pa.types.is_time(field.type):  # Spark's are of nanoseconds
                table = table.set_column(place, field.name, table[place].cast(pa.time64("us")))
        return table

    def _write(self, store: Store, place: str, pieces: Iterator[pa.Table]) -> tuple[str, int]:
        path, rows = f"{self.folder}/{place}-{uuid4().hex}.parquet", 0
        first = next(pieces)
        # Whether Spark can prove that a column has no nulls differs with what is computed beside it.
        schema = pa.schema([pa.field(field.name, field.type) for field in first.schema])
        with store.open(path, "wb") as file, pq.ParquetWriter(file, schema, compression="zstd") as writer:
            for group in _row_groups(chain([first], pieces)):
                writer.write_table(group.cast(schema).combine_chunks())
                rows += group.num_rows
        return path, rows


def _by_place(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each place within each batch, in order, without the place."""
    for batch in batches:
        table = pa.Table.from_batches([batch])
        places = table[PLACE]
        for place in pc.unique(places).to_pylist():
            yield place, table.filter(pc.equal(places, place)).drop_columns(PLACE)


def _row_groups(pieces: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `ROWS_PER_GROUP` rows, wherever Spark has cut its batches."""
    waiting: list[pa.Table] = []
    for piece in pieces:
        waiting.append(piece)
        if sum(table.num_rows for table in waiting) >= ROWS_PER_GROUP:
            whole = pa.concat_tables(waiting)
            yield whole.slice(0, ROWS_PER_GROUP)
            waiting = [whole.slice(ROWS_PER_GROUP)]
    rest = pa.concat_tables(waiting)
    if rest.num_rows:
        yield rest
