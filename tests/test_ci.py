"""What CI and the commit hooks run is in this repository."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", MAKEFILE, re.MULTILINE))


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


def test_the_commands_of_the_workflow_are_bash_and_name_files_that_exist() -> None:
    for job in read(".github/workflows/ci.yml")["jobs"].values():
        is_set_up = False
        for step in job["steps"]:
            named = re.findall(r"hashFiles\('([^']+)'\)", str(step.get("with", {})))
            named += [path for key, path in step.get("with", {}).items() if key.endswith("-file")]
            command = step.get("run", "")
            subprocess.run(["bash", "-n", "-c", re.sub(r"\$\{\{.*?\}\}", "x", command)], check=True)
            named += re.findall(r"(?<!\S)(tests/[\w/.-]+)", command)
            assert all((ROOT / path).exists() for path in named), named
            assert is_set_up or ".venv/" not in command, f"{command}: before `make setup`"
            is_set_up |= "make " in command


def test_a_hook_that_lints_runs_what_make_check_runs() -> None:
    recipe = re.search(r"^check:.*\n((?:\t.*\n)+)", MAKEFILE, re.MULTILINE)
    assert recipe
    checks = {re.sub(r"\$\(BIN\)/|--.*| \.", "", line).strip() for line in recipe[1].splitlines()}
    hooks = [hook["entry"].removeprefix(".venv/bin/") for hook in read(".pre-commit-config.yaml")["repos"][0]["hooks"]]
    linters = {hook.partition(" --")[0] for hook in hooks if not hook.startswith("pytest")}

    assert linters == checks - {"mypy"}, "mypy reads the whole project, too slow for each commit"


@pytest.mark.parametrize("script", sorted(path.name for path in (ROOT / ".ci").iterdir()))
def test_a_script_of_ci_is_bash(script: str) -> None:
    subprocess.run(["bash", "-n", str(ROOT / ".ci" / script)], check=True)


def test_every_job_has_a_time_limit_and_may_only_read() -> None:
    workflow = read(".github/workflows/ci.yml")

    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] for job in workflow["jobs"].values())


@pytest.mark.parametrize("hook", read(".pre-commit-config.yaml")["repos"][0]["hooks"], ids=lambda hook: hook["id"])
def test_a_hook_runs_what_the_environment_has(hook: dict[str, Any]) -> None:
    program, *arguments = hook["entry"].split()

    assert program.startswith(".venv/bin/")
    assert os.access(Path(sys.executable).with_name(Path(program).name), os.X_OK)
    assert all((ROOT / path).exists() for path in arguments if path.startswith("tests/"))
    re.compile(hook.get("files", ""))


def test_the_sites_lock_pins_by_hash_and_names_no_index() -> None:
    text = (ROOT / "requirements-docs.lock").read_text(encoding="utf-8")
    packages = re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:]

    assert packages
    assert all("==" in package and "--hash=sha256:" in package for package in packages)
    assert "index" not in text
    assert "http" not in text
