"""Docker and compose, as a person types them."""

from __future__ import annotations

import functools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ANSWER_SECONDS = 60
BUILD_SECONDS = 3600


class CommandFailed(AssertionError):
    """A command ended with another exit code than 0; the message ends with what it said."""


def run(*command: str, environment: Mapping[str, str] | None = None, seconds: float = ANSWER_SECONDS) -> str:
    """What a command prints."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=seconds,
        check=False,
    )  # fmt: skip
    if done.returncode:
        said = "\n".join((done.stdout + done.stderr).splitlines()[-60:])
        raise CommandFailed(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    return done.stdout


@functools.cache
def missing() -> str:
    """What these tests lack on this machine; empty where they can run."""
    if shutil.which("docker") is None:
        return "there is no docker on PATH"
    for command, what in (
        (("docker", "info"), "docker has no daemon to talk to"),
        (("docker", "compose", "version"), "docker has no compose plugin"),
    ):
        try:
            run(*command)
        except CommandFailed as failed:
            return f"{what}: {str(failed).splitlines()[-1]}"
    return ""


def base_image() -> dict[str, str]:
    """The build argument of the base image, where the usual one cannot be pulled."""
    given = os.environ.get("BASE_IMAGE", "")
    return {"BASE": given} if given else {}


def build(tag: str, dockerfile: str, *options: str) -> float:
    """Build an image; returns the seconds it took."""
    began = time.monotonic()
    arguments = [word for name, value in base_image().items() for word in ("--build-arg", f"{name}={value}")]
    run(
        "docker", "build", "-f", dockerfile, "-t", tag, *arguments, *options, ".",
        environment={"DOCKER_BUILDKIT": "1"}, seconds=BUILD_SECONDS,
    )  # fmt: skip
    return time.monotonic() - began


def megabytes(image: str) -> int:
    """Size of an image, its layers unpacked."""
    return int(run("docker", "image", "inspect", "--format", "{{.Size}}", image)) // 10**6


def container(*arguments: str, seconds: float = ANSWER_SECONDS) -> str:
    """Run a container as production should, and return what it prints: read-only, without capabilities."""
    hardened = ("--read-only", "--tmpfs", "/tmp:exec,mode=1777", "--cap-drop", "ALL")
    return run("docker", "run", "--rm", *hardened, *arguments, seconds=seconds)


def health(name: str) -> str:
    """What Docker says of a container: starting, healthy or unhealthy."""
    return run("docker", "inspect", "--format", "{{.State.Health.Status}}", name).strip()


@dataclass(frozen=True)
class Compose:
    """One project of compose's: this repository's file, with names, ports and passwords of its own.

    Attributes:
        project: prefix of its containers, its network and its volumes.
        environment: what the file asks for.
        figures: what was measured, for the end of the report.
    """

    project: str
    environment: Mapping[str, str]
    figures: dict[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, seconds: float = ANSWER_SECONDS) -> str:
        """Run `docker compose ...`."""
        return run("docker", "compose", "-p", self.project, *arguments, environment=self.environment, seconds=seconds)

    def containers(self) -> list[dict[str, Any]]:
        """Every container of the project, those that have ended too."""
        return [json.loads(line) for line in self("ps", "--all", "--format", "json").splitlines()]

    def python(self, service: str, program: str) -> Any:
        """What a Python program prints in a service's container, as JSON."""
        return json.loads(self("exec", "-T", service, "python", "-c", program, seconds=300).splitlines()[-1])

    def url(self, port: str) -> str:
        """Where one of the published ports is."""
        return f"http://127.0.0.1:{self.environment[port]}"
