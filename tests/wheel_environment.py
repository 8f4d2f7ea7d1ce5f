"""Tidewheel's wheel, built and installed in an environment of its own, beside the packages of this one."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("tidewheel-", "_tidewheel")
"""How the names of what an editable installation leaves in site-packages begin."""


@dataclass(frozen=True)
class WheelEnvironment:
    """A Python environment that knows nothing of the checkout.

    Attributes:
        folder: the environment.
        wheel: what was installed in it.
    """

    folder: Path
    wheel: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def run(
        self, *command: str, cwd: Path, variables: Mapping[str, str] | None = None, seconds: float = 300
    ) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in a folder."""
        outside = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith("TIDEWHEEL_") and name not in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")
        }
        line = [str(self.folder / "bin" / command[0]), *command[1:]]
        environment = {**outside, **(variables or {}), "VIRTUAL_ENV": str(self.folder)}
        return subprocess.run(line, cwd=cwd, env=environment, capture_output=True, text=True, timeout=seconds)


def installed_wheel(folder: Path) -> WheelEnvironment:
    """Build the wheel and install it, without a network and within seconds.

    The other packages are links to those of this environment, file by file in place, so that each is an installed
    package there, too: what lies outside of site-packages counts as a team's own code.
    """
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder / "dist")]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    [wheel] = (folder / "dist").glob("*.whl")
    made = WheelEnvironment(folder / "environment", wheel)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(made.folder)], check=True)
    here = Path(sys.executable).parent
    install = [str(here / "uv"), "pip", "install", "--offline", "--quiet", "--no-deps", "--python", str(made.python)]
    subprocess.run([*install, str(wheel)], check=True)
    ours, theirs = Path(sysconfig.get_path("purelib")), next(made.folder.glob("lib/python*/site-packages"))
    for package in ours.iterdir():
        if not package.name.startswith(OURS) and not (theirs / package.name).exists():
            (theirs / package.name).symlink_to(package)
    _copy_programs(here, made.folder / "bin")
    return made


def _copy_programs(here: Path, there: Path) -> None:
    """Programs such as `airflow` run on the Python that their first line names."""
    ours = f"#!{here}/python".encode()
    for program in here.iterdir():
        target = there / program.name
        if target.exists() or target.is_symlink() or not program.is_file():
            continue
        content = program.read_bytes()
        if not content.startswith(ours):
            target.symlink_to(program)
            continue
        target.write_bytes(f"#!{there}/python\n".encode() + content.partition(b"\n")[2])
        target.chmod(0o755)


@pytest.fixture(scope="session")
def wheel_environment() -> Iterator[WheelEnvironment]:
    """The wheel, installed where any account may enter: as root, the platform runs PostgreSQL as another one."""
    with TemporaryDirectory(prefix="tidewheel-wheel-") as folder:
        Path(folder).chmod(0o755)
        yield installed_wheel(Path(folder))
