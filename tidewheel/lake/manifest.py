"""A manifest says what a batch consists of, byte for byte, and what it was made from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

SHORT_HASH = 12
"""Characters of a hash that are enough for people and file names."""


class DataFile(BaseModel):
    """One Parquet file of a batch."""

    model_config = ConfigDict(frozen=True)

    path: str = Field(description="relative to the dataset's folder")
    rows: int
    bytes: int
    sha256: str


class Erased(BaseModel):
    """Rows were erased from a batch at somebody's request, so its files are gone; another batch holds the other rows.

    See `tidewheel.lake.erasure`.
    """

    model_config = ConfigDict(frozen=True)

    at: datetime
    rows: int = Field(description="how many rows were erased")
    of: str = Field(description="hash of the values that the rows were recognised by")
    successor: str = Field(description="content hash of the batch of the same day that holds the other rows")


class Manifest(BaseModel):
    """What one batch consists of."""

    model_config = ConfigDict(frozen=True)

    pipeline: str
    dataset: str
    partition: str
    files: tuple[DataFile, ...]
    columns: Mapping[str, str] = Field(description="column name to Arrow type")
    inputs: Mapping[str, str] = Field(
        default_factory=dict, description="`dataset/partition` (or `model`) to the content hash it was made from"
    )
    code_version: str = ""
    erased: Erased | None = Field(default=None, description="set where rows were erased, and the files are gone")
    content_hash: str = Field(description="sha256 over the columns and the files' hashes: same content, same hash")

    @property
    def rows(self) -> int:
        """Rows in all files."""
        return sum(file.rows for file in self.files)

    @property
    def key(self) -> str:
        """`dataset/partition`, the name other manifests use for this batch."""
        return f"{self.dataset}/{self.partition}"

    @property
    def short_hash(self) -> str:
        """The beginning of the content hash, for people and file names."""
        return self.content_hash[:SHORT_HASH]


def content_hash(columns: Mapping[str, str], files: Sequence[DataFile]) -> str:
    """Hash of a batch's content: where the files lie and in which order they were written does not matter."""
    content = {"columns": dict(columns), "files": sorted(file.sha256 for file in files)}
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
