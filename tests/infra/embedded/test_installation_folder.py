"""What a machine must have: disk, a usable path, a Java."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.embedded import installation
from infra.embedded.layout import LONGEST_SOCKET_PATH, Layout
from tidewheel.errors import SettingsError


def test_a_full_disk_is_one_sentence_with_what_is_free_and_what_is_needed(tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"only [\d.]+ GB are free on the disk of TIDEWHEEL_HOME .*at least 1048576"
    ):
        installation.check_free_space(tmp_path / "not" / "yet", needed=1024**5)


def test_this_machine_meets_the_prerequisites(tmp_path: Path) -> None:
    installation.check_machine(tmp_path / "not" / "yet")


@pytest.mark.parametrize("odd", ["per%cent", 'quo"te', "hash #", "semi;colon", "glob*"])
def test_a_path_that_supervisord_cannot_be_told_is_refused_before_anything_is_made(tmp_path: Path, odd: str) -> None:
    with pytest.raises(SettingsError, match="choose another folder"):
        Layout(tmp_path / odd).create()
    assert not list(tmp_path.iterdir())


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(SettingsError, match=r"cannot write in TIDEWHEEL_HOME .*home"):
        Layout(tmp_path / "home").create()


def test_the_socket_of_a_long_home_is_in_a_private_folder_with_a_short_path(tmp_path: Path) -> None:
    short, long = Layout(Path("/srv/home")), Layout(tmp_path / ("long" * 25))
    assert short.supervisor_socket.is_relative_to(short.home)
    long.create()
    assert len(os.fsencode(long.supervisor_socket)) <= LONGEST_SOCKET_PATH
    assert long.supervisor_socket.parent.stat().st_mode & 0o777 == 0o700
    long.short_folder.rmdir()


def test_a_short_folder_that_others_could_write_is_refused(tmp_path: Path) -> None:
    layout = Layout(tmp_path / ("long" * 25))
    layout.short_folder.mkdir()
    layout.short_folder.chmod(0o777)
    try:
        with pytest.raises(SettingsError, match="not a private folder of this user"):
            layout.create()
    finally:
        layout.short_folder.rmdir()


def fake_java(folder: Path, version: str) -> Path:
    """A JAVA_HOME whose `java` says it is this version."""
    binary = folder / "bin" / "java"
    binary.parent.mkdir(parents=True)
    binary.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2024-01-16' >&2\n")
    binary.chmod(0o755)
    return folder


def test_the_machines_own_java_is_used_from_17_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "jdk", "21.0.2")))
    assert installation.find_java_home(Layout(tmp_path / "home")) == tmp_path / "jdk"


@pytest.mark.parametrize(("said", "major"), [("1.8.0_392", 8), ("17", 17), ("25.0.1", 25)])
def test_versions_old_and_new_are_understood(tmp_path: Path, said: str, major: int) -> None:
    assert installation.java_version(fake_java(tmp_path, said) / "bin" / "java") == major


def test_a_machine_with_an_old_java_gets_one_from_the_wheel_that_spark_can_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JAVA_HOME", str(fake_java(tmp_path / "old", "1.8.0_392")))
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    layout = Layout(tmp_path / "a home")
    found = installation.find_java_home(layout)
    assert found == layout.java
    wrapper = found / "bin" / "java"
    said = subprocess.run(
        [
            "/bin/sh",
            "-c",
            '"$0" --add-modules=jdk.incubator.vector -Dgreeting="good day" -XshowSettings:properties -version',
            wrapper,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "greeting = good day" in said
    assert (installation.java_version(wrapper) or 0) >= installation.OLDEST_JAVA
