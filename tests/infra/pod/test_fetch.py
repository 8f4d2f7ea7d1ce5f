"""A model comes into its pod as it was packaged, to the last bit, or not at all."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import pytest

from infra.pod.fetch import fetch
from infra.pod.lake import PodError, open_lake
from tidewheel.errors import ReleaseError
from tidewheel.lake import Lake, Store
from tidewheel.release.artifact import Artifact, content_hash


@pytest.fixture
def packaged(tmp_path: Path) -> Artifact:
    """What BentoML would serve, in small."""
    folder = tmp_path / "bento" / "src"
    (folder / "bentos").mkdir(parents=True)
    for name in ("bentos/service.py", "bentos/contract.py", "contract.json", "service.json", "model.bin"):
        (folder / name).write_bytes(f"content of {name}".encode() * 50)
    return Artifact("7", "orders:7", str(folder), content_hash(folder))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake("orders", Store(f"file://{tmp_path}/lake", {}))


def fetched(lake: Lake, packaged: Artifact, folder: Path) -> dict[str, bytes]:
    fetch(open_lake({"TIDEWHEEL_LAKE_URL": lake.store.root}), "orders", packaged.content_hash, folder, patience=0)
    return files(folder)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def archive(lake: Lake, packaged: Artifact) -> Path:
    return Path(packaged.publish(lake).removeprefix("file://"))


def test_what_is_fetched_is_what_was_packaged(lake: Lake, packaged: Artifact, tmp_path: Path) -> None:
    url = packaged.publish(lake)
    assert url == f"{lake.store.root}/orders/bentos/{packaged.content_hash}.tar"
    folder = tmp_path / "model" / "bento"
    assert fetched(lake, packaged, folder) == files(Path(packaged.path))
    (folder / "left.behind").touch()
    assert fetched(lake, packaged, folder) == files(Path(packaged.path)), "a pod that is started anew begins anew"


def test_the_same_model_is_the_same_archive(lake: Lake, packaged: Artifact) -> None:
    first = archive(lake, packaged).read_bytes()
    for path in Path(packaged.path).rglob("*"):
        path.touch()
    assert archive(lake, packaged).read_bytes() == first


def test_a_package_that_was_changed_after_it_was_built_is_not_published(lake: Lake, packaged: Artifact) -> None:
    (Path(packaged.path) / "model.bin").write_bytes(b"another")
    with pytest.raises(ReleaseError, match="was changed after it was built"):
        packaged.publish(lake)


def test_an_archive_with_a_flipped_bit_is_named_and_leaves_nothing(
    lake: Lake, packaged: Artifact, tmp_path: Path
) -> None:
    path = archive(lake, packaged)
    whole = path.read_bytes()
    content = [at for at in range(len(whole)) if whole[at : at + 7] == b"content"]
    for place in content[::20]:
        damaged = bytearray(whole)
        damaged[place] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(PodError, match=rf"{packaged.content_hash}\.tar holds other content than its name says"):
            fetched(lake, packaged, tmp_path / "model")
    for cut in (0, 100, 512, 1000):
        path.write_bytes(whole[:cut])
        with pytest.raises(PodError, match=rf"{packaged.content_hash}\.tar .*: release the version again"):
            fetched(lake, packaged, tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", ["../outside", "/outside"])
def test_no_archive_writes_outside_its_folder(lake: Lake, packaged: Artifact, tmp_path: Path, name: str) -> None:
    with tarfile.open(archive(lake, packaged), "w") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(PodError, match="outside' is no file of a packaged model"):
        fetched(lake, packaged, tmp_path / "model")


def test_a_model_that_was_never_published_is_named(lake: Lake, packaged: Artifact, tmp_path: Path) -> None:
    with pytest.raises(PodError, match=rf"{packaged.content_hash}\.tar is not there: release the version again"):
        fetched(lake, packaged, tmp_path / "model")


@pytest.mark.parametrize(
    ("url", "options", "said"),
    [
        ("", {}, "TIDEWHEEL_LAKE_URL is ''; expected s3://BUCKET/FOLDER"),
        ("gs://bucket/lake", {}, "TIDEWHEEL_LAKE_URL is 'gs://bucket/lake'; expected s3://"),
        ("s3://bucket", {"profile": "x", "client_kwargs": {"api_version": 1}}, "has api_version, profile, which"),
        ("s3://bucket", [], "TIDEWHEEL_LAKE_OPTIONS is not a JSON object"),
        ("s3://bucket", {"key": "without secret"}, "TIDEWHEEL_LAKE_OPTIONS cannot be used"),
    ],
)
def test_a_lake_that_a_pod_cannot_use_is_named(url: str, options: object, said: str) -> None:
    with pytest.raises(PodError) as found:
        open_lake({"TIDEWHEEL_LAKE_URL": url, "TIDEWHEEL_LAKE_OPTIONS": json.dumps(options)})
    assert said in str(found.value)


def test_a_lake_that_does_not_answer_is_asked_again_and_then_named(tmp_path: Path) -> None:
    options = {"endpoint_url": "http://127.0.0.1:9", "key": "key", "secret": "secret"}
    lake = open_lake({"TIDEWHEEL_LAKE_URL": "s3://bucket/root", "TIDEWHEEL_LAKE_OPTIONS": json.dumps(options)})
    with pytest.raises(PodError, match=r"s3://bucket/root/orders/bentos/0f\.tar could not be read for 0 s: .*Secret"):
        fetch(lake, "orders", "0f", tmp_path / "model", patience=0)
