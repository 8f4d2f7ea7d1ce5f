"""Bring a packaged model from the lake into a folder: `python -m infra.pod.fetch PIPELINE CONTENT_HASH FOLDER`.

The archive is named by the hash of what it holds. The folder appears in one step, once every byte has been compared.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import sys
import tarfile
import time
from pathlib import Path, PurePosixPath
from typing import IO

from infra.pod.lake import LakeFiles, PodError, open_lake

PATIENCE_SECONDS = 60.0
"""For how long a lake that does not answer is tried again; then the kubelet starts the container anew."""
RETRY_SECONDS = 2.0
PUBLISH = "release the version again, which publishes it"


def fetch(lake: LakeFiles, pipeline: str, content_hash: str, folder: Path, patience: float = PATIENCE_SECONDS) -> None:
    """Unpack a model's archive into a folder, which is replaced.

    Args:
        lake: holds the archive.
        pipeline: name of the pipeline.
        content_hash: of the packaged model.
        folder: to be made.
        patience: seconds for which a lake that does not answer is tried again.

    Raises:
        PodError: the archive is not there, is not what its name says, or cannot be read.
    """
    path = f"{pipeline}/bentos/{content_hash}.tar"
    url = f"{lake.root}/{path}"
    partial = folder.with_name(f"{folder.name}.partial")
    deadline = time.monotonic() + patience
    while True:
        shutil.rmtree(partial, ignore_errors=True)
        try:
            partial.mkdir(parents=True)
        except OSError as error:
            raise PodError(f"the model cannot be written to {partial}: {error.strerror}") from error
        try:
            with lake.open(path) as stream:
                digest = _unpack(stream, partial)
            break
        except FileNotFoundError:
            raise PodError(f"{url} is not there: {PUBLISH}") from None
        except tarfile.TarError as error:
            raise PodError(f"{url} is cut off or changed ({error}): {PUBLISH}") from None
        except OSError as error:
            if time.monotonic() > deadline:
                raise PodError(
                    f"{url} could not be read for {patience:.0f} s: {error}; see that this pod reaches the lake, and "
                    "that TIDEWHEEL_LAKE_OPTIONS of the Secret is right"
                ) from error
            time.sleep(RETRY_SECONDS)
    if digest != content_hash:
        raise PodError(f"{url} holds other content than its name says, {digest}: {PUBLISH}")
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def _unpack(stream: IO[bytes], folder: Path) -> str:
    """Write an archive's files; returns their content hash, see `tidewheel.release.artifact.content_hash`."""
    digest = hashlib.sha256()
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            name = PurePosixPath(member.name)
            opened = archive.extractfile(member)
            if not member.isreg() or opened is None or name.is_absolute() or ".." in name.parts:
                raise tarfile.ReadError(f"{member.name!r} is no file of a packaged model")
            content = opened.read()
            digest.update(f"{name} {len(content)}\n".encode())
            digest.update(content)
            target = folder / name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            except OSError as error:
                raise PodError(f"the model cannot be written to {target}: {error.strerror}") from error
    return digest.hexdigest()


def main() -> None:
    """Fetch what the command line names."""
    parser = argparse.ArgumentParser(prog="python -m infra.pod.fetch", description=__doc__)
    parser.add_argument("pipeline")
    parser.add_argument("content_hash")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    try:
        fetch(open_lake(), options.pipeline, options.content_hash, options.folder)
    except PodError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
