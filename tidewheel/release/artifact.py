"""A packaged model version: what a backend starts, and what a release compares its answers with."""

from __future__ import annotations

import hashlib
import io
import json
import math
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tidewheel.errors import ReleaseError

if TYPE_CHECKING:
    from tidewheel.lake import Lake

CONTRACT = "contract.json"
CONTENT = ("bentos", CONTRACT, "service.json", "model.bin", "explanation.bin")
"""What decides how a Bento answers: its code, contract, facts and model, and what explains the model."""
SINCE = frozenset({"explanation.bin"})
"""Files that a Bento of an earlier release lacks: its content hash is what it was."""


Prediction = float | list[float]
"""One number; of a multiclass model the probability of each class, in the order of the contract's classes."""


@dataclass(frozen=True)
class ExpectedPrediction:
    """A real row, and what the model said to it offline."""

    row: dict[str, Any]
    prediction: Prediction


def predictions_apart(said: Prediction, right: Prediction) -> float:
    """How far a prediction lies from the right one, relative where that is beyond 1; NaN where one is no number."""
    pairs = zip(_numbers(said), _numbers(right), strict=True)
    apart = [abs(one - other) / max(1.0, abs(other)) for one, other in pairs]
    return math.nan if any(map(math.isnan, apart)) else max(apart)


def _numbers(prediction: Prediction) -> list[float]:
    return prediction if isinstance(prediction, list) else [prediction]


@dataclass(frozen=True)
class Artifact:
    """A built Bento.

    Attributes:
        version: of the model, in the registry.
        tag: of the Bento, in its store.
        path: folder that is served.
        content_hash: digest of code, contract, facts and model.
    """

    version: str
    tag: str
    path: str
    content_hash: str

    def golden_rows(self) -> list[ExpectedPrediction]:
        """The contract's golden rows."""
        contract = json.loads((Path(self.path) / CONTRACT).read_text(encoding="utf-8"))
        return [ExpectedPrediction(golden["row"], golden["prediction"]) for golden in contract["golden_rows"]]

    def publish(self, lake: Lake) -> str:
        """Put what is served into the lake, from where a pod fetches it; what is there is replaced by the same.

        Args:
            lake: of the pipeline.

        Returns:
            URL of the archive, which is named by the content hash.

        Raises:
            ReleaseError: the folder was changed since it was built.
        """
        if (found := content_hash(Path(self.path))) != self.content_hash:
            raise ReleaseError(
                f"{self.path} was changed after it was built: its content hash is {found}, not {self.content_hash}; "
                "delete that folder and package the version again"
            )
        path = f"{lake.pipeline}/bentos/{self.content_hash}.tar"
        lake.store.replace(path, _archive(Path(self.path)))
        return lake.store.url(path)


def content_hash(folder: Path, names: tuple[str, ...] = CONTENT) -> str:
    """Digest of names, sizes and bytes of files, in their order.

    Args:
        folder: holds them.
        names: files, and folders of which the files count that lie directly in them; one that is not there is empty.
    """
    digest = hashlib.sha256()
    for file in _files(folder, names):
        content = file.read_bytes() if file.exists() else b""
        digest.update(f"{file.relative_to(folder)} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _files(folder: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        path = folder / name
        if name not in SINCE or path.exists():
            yield from sorted(f for f in path.iterdir() if f.is_file()) if path.is_dir() else [path]


def _archive(folder: Path) -> bytes:
    """The same bytes for the same files: in the order of the content hash, without owners and times."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for file in _files(folder, CONTENT):
            member, content = tarfile.TarInfo(str(file.relative_to(folder))), file.read_bytes()
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return archive.getvalue()
