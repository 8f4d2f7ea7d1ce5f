"""docs/inside: what a page names is in the code, and what it shows works."""

from __future__ import annotations

import ast
import re
from datetime import date
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pyarrow as pa
import pytest

from tidewheel import options
from tidewheel.lake import Lake
from tidewheel.options import jobs, parse_options
from tidewheel.partitions import PartitionRange
from tidewheel.policies.trigger.measurement import TriggerMeasurement
from tidewheel.policies.trigger.reasons import Seen
from tidewheel.release.backend import Backend
from tidewheel.release.stages import Stage
from tidewheel.settings import Settings

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


def test_the_release_page_explains_every_stage() -> None:
    text = (ROOT / "docs/inside/a-release.md").read_text(encoding="utf-8")

    assert [stage.__name__ for stage in get_args(Stage) if f"stages:{stage.__name__}`" not in text] == []


def test_the_backend_page_lists_every_method() -> None:
    text = (ROOT / "docs/inside/add-a-backend.md").read_text(encoding="utf-8")
    methods = {name for name in vars(Backend) if not name.startswith("_")}

    listed = {
        name for row in re.findall(r"^\|[^|]+\|(.+)\|$", text, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    }
    assert listed == methods


def test_the_job_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake.open("shop", Settings(home=tmp_path, project=tmp_path))
    manifest = lake.write_table("landing", "2026-11-26", pa.table({"carrier": ["UA", "AA", "UA"]}), {}, "test")
    lake.publish(manifest)
    model = _shown("add-a-job.md", **vars(jobs))["SummarizeOptions"]
    monkeypatch.setattr(options, "SummarizeOptions", model, raising=False)
    asked = parse_options(model, {"least": "2"})
    job = SimpleNamespace(lake=lake, partitions=PartitionRange.parse("2026-11-26"), options=asked)

    result = _shown("add-a-job.md", number=1)["work"](job)
    assert result.figures == {"rows_UA": 2}
    assert result.inputs == {manifest.key: manifest.content_hash}
    assert result.sentence == "3 rows of 2 carriers"


def test_the_trigger_of_the_page_decides() -> None:
    few_rows = _shown("add-a-trigger.md", Seen=Seen, TriggerMeasurement=TriggerMeasurement)["FewRows"](100)
    seen = [few_rows.look(SimpleNamespace(today=date(2026, 11, 26), day_rows=rows)) for rows in (99, 100)]

    assert [one.due for one in seen] == [True, False]
    assert seen[0].words == "99 rows on 2026-11-26 (at least 100 expected)"


def _shown(page: str, number: int = 0, **known: Any) -> dict[str, Any]:
    """The names that a Python block of a page defines, by default the first."""
    text = (ROOT / "docs/inside" / page).read_text(encoding="utf-8")
    block = re.findall(r"```python\n(.*?)```", text, re.DOTALL)[number]
    names: dict[str, Any] = {**known, "__name__": "shown"}
    source = block if "import" in block else f"from dataclasses import dataclass\n{block}"
    exec(compile(source, page, "exec", dont_inherit=True), names)
    return names


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
