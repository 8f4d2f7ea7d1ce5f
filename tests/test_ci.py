"""What CI and the commit hooks run is in this repository."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def read(path: str) -> Any:
    return YAML(typ="safe").load(ROOT / path)


def test_the_workflow_runs_targets_and_scripts_that_exist() -> None:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    targets = {name for command in commands for name in re.findall(r"make ([a-z][a-z0-9-]*)", command)}
    targets |= set(jobs["test"]["strategy"]["matrix"]["target"])

    assert {"check", "docs", "test", "test-e2e", "test-cluster"} <= targets <= TARGETS
    for script in {name for command in commands for name in re.findall(r"\.ci/[\w-]+", command)}:
        assert os.access(ROOT / script, os.X_OK), script


def test_every_job_has_a_time_limit_and_may_only_read() -> None:
    workflow = read(".github/workflows/ci.yml")

    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


@pytest.mark.parametrize("hook", read(".pre-commit-config.yaml")["repos"][0]["hooks"], ids=lambda hook: hook["id"])
def test_a_hook_runs_what_the_environment_has(hook: dict[str, Any]) -> None:
    program, *arguments = hook["entry"].split()

    assert program.startswith(".venv/bin/")
    assert all((ROOT / path).exists() for path in arguments if path.startswith("tests/"))
    re.compile(hook.get("files", ""))


def test_the_sites_lock_pins_by_hash_and_names_no_index() -> None:
    text = (ROOT / "requirements-docs.lock").read_text(encoding="utf-8")
    packages = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]

    assert packages
    assert all("==" in package and "--hash=sha256:" in package for package in packages)
    assert "index" not in text
    assert "http" not in text
