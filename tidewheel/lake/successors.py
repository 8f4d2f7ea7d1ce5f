"""What became of batches that rows were erased from: each manifest that stays names the batch that took its place."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tidewheel.errors import LakeError
from tidewheel.lake.lake import PUBLISHED, QUARANTINE
from tidewheel.lake.litter import MANIFEST
from tidewheel.lake.manifest import Erased, Manifest

if TYPE_CHECKING:
    from tidewheel.lake.lake import Lake

Batch = tuple[str, str]
"""`dataset/partition`, and content hash."""


@dataclass(frozen=True)
class BatchDocument:
    """A file with a manifest, or with the record of a batch in quarantine.

    Attributes:
        path: relative to the lake's root.
        manifest: that it holds.
        record: all of it, where it is a record of a batch in quarantine.
    """

    path: str
    manifest: Manifest
    record: Mapping[str, object] | None = None

    @property
    def is_published(self) -> bool:
        """Whether it is what readers see."""
        return self.path.endswith(f"/{PUBLISHED}")


def successors(lake: Lake) -> dict[Batch, str]:
    """The content that took the place of batches that rows were erased from, in the end."""
    steps = {batch: erased.successor for batch, erased in _erased(lake).items()}
    return {batch: _last(steps, batch) for batch in steps}


def held_by(lake: Lake, digest: str, batches: Collection[Batch]) -> set[Batch]:
    """All batches that ever held rows that are erased, as far as their manifests know.

    Args:
        lake: of one pipeline.
        digest: hash of what the rows are recognised by, see `tidewheel.lake.erasure.RowSelection`.
        batches: that hold them now, or did a moment ago.

    Returns:
        These, those that an earlier call has erased the rows from, and those that they are successors of.
    """
    erased = _erased(lake)
    batches_held = {*batches, *(batch for batch, step in erased.items() if step.of == digest)}
    while (
        before := {(key, old) for (key, old), step in erased.items() if (key, step.successor) in batches_held}
        - batches_held
    ):
        batches_held |= before
    return batches_held


def _erased(lake: Lake) -> dict[Batch, Erased]:
    return {
        (document.manifest.key, document.manifest.content_hash): document.manifest.erased
        for dataset in lake.store.list_folder(lake.pipeline)
        for document in documents(lake, dataset)
        if document.manifest.erased is not None
    }


def renew_inputs(lake: Lake) -> int:
    """Let every manifest that names a batch as its input name the batch's successor; returns how many manifests.

    What was computed from the erased rows stays as it is, so it is not to be computed again.
    """
    replaced, count = successors(lake), 0
    if not replaced:
        return 0
    for dataset in lake.store.list_folder(lake.pipeline):
        for document in documents(lake, dataset):
            inputs = {key: replaced.get((key, value), value) for key, value in document.manifest.inputs.items()}
            if inputs != document.manifest.inputs:
                write_document(lake, document, document.manifest.model_copy(update={"inputs": inputs}), document.path)
                count += 1
    return count


def _last(found: Mapping[Batch, str], batch: Batch) -> str:
    key, content = batch
    passed = {content}
    while (following := found.get((key, content))) and following not in passed:
        passed.add(following)
        content = following
    return content


def documents(lake: Lake, dataset: str) -> Iterator[BatchDocument]:
    """Everything with a manifest in a dataset."""
    folder = f"{lake.pipeline}/{dataset}"
    for path in lake.store.find(folder, ".json"):
        if not MANIFEST.fullmatch(path.removeprefix(f"{folder}/")):
            continue
        content = lake.store.read(path)
        if content is None:
            continue
        try:
            document = json.loads(content)
            in_quarantine = path.startswith(f"{folder}/{QUARANTINE}/")
            manifest = Manifest.model_validate(document["manifest"] if in_quarantine else document)
        except (ValueError, KeyError, TypeError) as error:
            raise LakeError(
                f"{lake.store.url(path)} is no manifest ({error}), so nobody knows which files it names and nothing is "
                "erased; restore or delete it first"
            ) from error
        yield BatchDocument(path, manifest, document if in_quarantine else None)


def write_document(lake: Lake, document: BatchDocument, manifest: Manifest, path: str) -> None:
    """Write another manifest in a document's form.

    Args:
        lake: of one pipeline.
        document: whose form.
        manifest: what it holds.
        path: where to, relative to the lake's root.
    """
    plain = manifest.model_dump(mode="json")
    content = {**document.record, "manifest": plain} if document.record is not None else plain
    lake.store.replace(path, json.dumps(content, indent=2).encode())
