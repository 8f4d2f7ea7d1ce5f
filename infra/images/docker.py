"""Docker, by its command line: what the engine has, and what it says where it cannot do something."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass

from tidewheel.errors import PlatformError, SettingsError

PROGRAM = "docker"
SECONDS = 60.0
LAST_LINES = 15
"""Of what Docker printed, in an error."""


@dataclass(frozen=True)
class EngineImage:
    """An image in Docker's engine.

    Attributes:
        digest: its id, without `sha256:`.
        size: bytes of its layers, unpacked.
    """

    digest: str
    size: int


class DockerFailed(PlatformError):
    """Docker ended with an error.

    Attributes:
        code: its exit code; of `docker run` that of the container, or 125 where Docker itself failed.
        said: the last lines that it printed.
    """

    def __init__(self, command: str, code: int, said: str) -> None:
        super().__init__(f"`{PROGRAM} {command}` failed with exit code {code}:\n{said}")
        self.code, self.said = code, said


def run(*arguments: str, seconds: float = SECONDS) -> str:
    """Run Docker, and return what it prints.

    Raises:
        SettingsError: there is no Docker on this machine.
        DockerFailed: it ended with an error.
        PlatformError: it did not end in time.
    """
    if shutil.which(PROGRAM) is None:
        raise SettingsError(
            f"there is no program `{PROGRAM}` on PATH; images are built by Docker: install it, see "
            "https://docs.docker.com/engine/install/"
        )
    try:
        done = subprocess.run(  # noqa: S603 - arguments are a list, and no shell reads them
            [PROGRAM, *arguments], capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        raise PlatformError(f"`{PROGRAM} {arguments[0]}` did not end within {seconds:.0f} s") from None
    if done.returncode:
        lines = (done.stdout + done.stderr).strip().splitlines() or ["(it printed nothing)"]
        raise DockerFailed(arguments[0], done.returncode, "\n".join(lines[-LAST_LINES:]))
    return done.stdout


def check_daemon() -> None:
    """See that Docker's daemon answers.

    Raises:
        SettingsError: there is no Docker on this machine.
        PlatformError: its daemon does not answer, or not this user.
    """
    try:
        run("version", "--format", "{{.Server.Version}}")
    except DockerFailed as failed:
        raise PlatformError(
            f"Docker's daemon does not answer: {failed.said.splitlines()[-1]}; start it (`systemctl start docker`), "
            "let this user use it (group docker), or name another one in DOCKER_HOST"
        ) from failed


def image(name: str) -> EngineImage | None:
    """An image by its name or id; None where the engine has it not."""
    try:
        digest, size = run("image", "inspect", "--format", "{{.Id}} {{.Size}}", name).split()
    except DockerFailed as failed:
        if "no such image" in failed.said.lower():
            return None
        raise
    return EngineImage(digest.rpartition(":")[2], int(size))
