"""A program that refuses to run as root still reaches what only root may enter."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.embedded import launch
from infra.embedded.layout import Layout
from infra.embedded.program import Program

LOOK = "import os, sys; print(os.geteuid(), open(sys.argv[1]).read(), os.access(sys.argv[1], os.R_OK))"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can change to another account")
def test_a_program_of_another_account_reads_and_may_access_files_below_a_folder_of_roots_alone(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "home")
    layout.create()
    (layout.home / "file").write_text("content")
    account = launch.unprivileged_account()
    assert account is not None
    command = (sys.executable, "-I", "-S", "-c", LOOK, str(layout.home / "file"))
    program = Program("look", command, user=account.pw_name)
    program.launch_file(layout).write_text(program.launch_json())
    launcher = [sys.executable, "-I", "-S", launch.__file__, str(program.launch_file(layout))]
    answer = subprocess.run(launcher, capture_output=True, text=True, check=True).stdout
    assert layout.home.stat().st_mode & 0o077 == 0
    assert answer.split() == [str(account.pw_uid), "content", "True"]
