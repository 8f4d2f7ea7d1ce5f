"""The reference pages say what the code says, and leave nothing out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from infra.reference.markdown import anchor, table
from infra.reference.pages import reference_pages
from tidewheel.cli.app import app
from tidewheel.settings import Settings
from tidewheel.spec.pipeline import Pipeline

ROOT = Path(__file__).parents[3]
PAGES = reference_pages()
SOURCES = ("bentos", "infra", "jobs", "plugins", "tidewheel")
BUILT = {"TIDEWHEEL_ENDPOINT_", "TIDEWHEEL_"}
"""Beginnings of names, which the code completes."""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_up_to_date(name: str) -> None:
    assert (ROOT / "docs" / name).read_text(encoding="utf-8") == PAGES[name], "run `make reference`"


def test_every_key_of_a_pipeline_file_is_listed() -> None:
    schema = Pipeline.model_json_schema()
    keys = [key for of in (schema, *schema["$defs"].values()) for key in of.get("properties", {})]

    listed = re.findall(r"^\| `(\w+)` \|", PAGES["reference/pipeline.md"], re.MULTILINE)
    assert sorted(listed) == sorted(keys)


def test_every_link_within_the_pipeline_page_has_its_heading() -> None:
    page = PAGES["reference/pipeline.md"]
    headings = [anchor(heading) for heading in re.findall(r"^## (.+)$", page, re.MULTILINE)]

    assert len(headings) == len(set(headings))
    assert set(re.findall(r"\]\(#([^)]+)\)", page)) <= set(headings)


def test_every_variable_that_the_code_names_is_listed() -> None:
    named = {f"TIDEWHEEL_{name.upper()}" for name in Settings.model_fields}
    files = [file for source in SOURCES for file in (ROOT / source).rglob("*.py")]
    for file in (*files, ROOT / "docker-compose.yaml", ROOT / "infra/otel/collector.yaml"):
        named |= set(re.findall(r"TIDEWHEEL_[A-Z_]+", file.read_text(encoding="utf-8")))

    listed = set(re.findall(r"`(TIDEWHEEL_[A-Z_]+)`", PAGES["reference/settings.md"]))
    assert named - BUILT <= listed


def test_every_command_and_option_is_listed_and_explained() -> None:
    page = PAGES["reference/commands.md"]
    for name, command in _commands(typer.main.get_command(app), "tidewheel"):
        _, _, section = page.partition(f"## {name}\n")
        section = section.partition("\n## ")[0]
        assert command.help, name
        for parameter in command.params:
            assert parameter.help, f"{name} {parameter.name}"
            if parameter.param_type_name == "option":
                assert f"`{parameter.opts[0]}`" in section


def test_every_metric_of_rules_and_dashboards_is_listed() -> None:
    used = set[str]()
    for file in (ROOT / "infra/prometheus/rules.yaml", *(ROOT / "infra/grafana/dashboards").glob("*.json")):
        text = file.read_text(encoding="utf-8")
        used |= set(re.findall(r"(?<![:\w])tidewheel_(?:\w+)(?=[\[{)])", text))

    listed = set(re.findall(r"^\| `(\w+)` \|", PAGES["reference/metrics.md"], re.MULTILINE))
    assert used
    assert {re.sub(r"_(bucket|count|sum)$", "", name) for name in used} <= listed


def test_a_cell_shows_bars_and_angle_brackets_as_they_are() -> None:
    assert table(("a",), [("|x| < <b>, `<c>`",)]).splitlines()[-1] == "| \\|x\\| &lt; &lt;b>, `<c>` |"


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    for inner in command.commands.values():
        if hasattr(inner, "commands"):
            yield from _commands(inner, f"{name} {inner.name}")
        else:
            yield f"{name} {inner.name}", inner
