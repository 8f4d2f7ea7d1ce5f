"""docs/inside: every path and every `module:Name` that a page names is in the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted((ROOT / "docs/inside").glob("*.md"))
FOLDERS = ("bentos", "dags", "docs", "infra", "jobs", "plugins", "tests", "tidewheel")
FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(rf"`((?:{'|'.join(FOLDERS)})(?:\.\w+)+):(\w+(?:\.\w+)*)`")
FILE = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]*)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_name_and_path_exists(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))

    missing = [f"{module}:{name}" for module, name in NAME.findall(text) if not _is_defined(module, name)]
    missing += [path for path in FILE.findall(text) if not (ROOT / path).exists()]
    assert missing == []


def test_a_name_that_is_not_there_is_noticed() -> None:
    assert _is_defined("tidewheel.release.executor", "Executor.begin")
    assert not _is_defined("tidewheel.release.executor", "Executor.commence")
    assert not _is_defined("tidewheel.release.executioner", "Executor")


def _is_defined(module: str, name: str) -> bool:
    """Whether a module defines or imports a name; read, not imported: some need Airflow or Spark."""
    file = ROOT / f"{module.replace('.', '/')}.py"
    if not file.exists():
        return False
    body: list[ast.stmt] = _parsed(file).body
    for part in name.split("."):
        found = [statement for statement in body if part in _names(statement)]
        if not found:
            return False
        body = getattr(found[-1], "body", [])
    return True


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _names(statement: ast.stmt) -> set[str]:
    match statement:
        case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
            return {name}
        case ast.Assign(targets=targets):
            return {target.id for target in targets if isinstance(target, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
        case _:
            return set()
