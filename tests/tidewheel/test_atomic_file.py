"""A file is replaced whole, with the permissions and times that are asked for, or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tidewheel.atomic_file import replace_file, write_private

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def old(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_text("old")
    return file


def test_a_new_file_takes_the_place_and_nothing_is_left_beside_it(old: Path) -> None:
    with old.open() as reader:
        replace_file(old, "größer")
        assert reader.read() == "old"
    assert old.read_bytes() == "größer".encode()
    replace_file(old, b"\0")
    assert old.read_bytes() == b"\0"
    assert list(old.parent.iterdir()) == [old]


@pytest.mark.parametrize("failing", ["fsync", "utime"])
def test_a_write_that_fails_leaves_the_old_file_alone(old: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(f"os.{failing}", full)
    with pytest.raises(OSError, match="No space left"):
        replace_file(old, "new", times_ns=(0, 0))
    assert old.read_text() == "old"
    assert list(old.parent.iterdir()) == [old]


def test_a_private_file_is_its_owners_alone_though_the_old_one_was_not(old: Path) -> None:
    old.chmod(0o644)
    write_private(old, "secret")
    assert old.stat().st_mode & 0o777 == 0o600


def test_a_public_file_has_the_permissions_that_the_umask_leaves(old: Path) -> None:
    before = os.umask(0o027)
    try:
        replace_file(old, "new")
    finally:
        os.umask(before)
    assert old.stat().st_mode & 0o777 == 0o640


def test_a_file_is_as_old_as_is_asked_for(old: Path) -> None:
    replace_file(old, "new", times_ns=(10**18, 10**18 + 7))
    assert old.stat().st_mtime_ns == 10**18 + 7
