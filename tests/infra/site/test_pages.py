"""The site has every page, and what pages link to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from infra.site.pages import site_files

ROOT = Path(__file__).parents[3]


def test_pages_and_the_files_that_they_link_to_are_collected(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "infra.yaml").touch()
    (tmp_path / "unlinked.yaml").touch()
    (tmp_path / "README.md").write_text("[a](docs/a.md#part) [there](https://example.org/)")
    (tmp_path / "docs/a.md").write_text("[file](../infra.yaml) [above](#part)")

    assert {str(file) for file in site_files(tmp_path)} == {"README.md", "docs/a.md", "docs/site.css", "infra.yaml"}


@pytest.mark.parametrize("target", ["docs/", "nothing.md"])
def test_a_link_that_the_site_cannot_follow_is_an_error(tmp_path: Path, target: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"[a]({target})")

    with pytest.raises(ValueError, match=f"README.md links to {target}"):
        site_files(tmp_path)


def test_the_navigation_names_every_page_but_single_decisions() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").replace("!!python/name:", "")
    named = set(_named(YAML(typ="safe").load(text)["nav"]))

    pages = {str(file) for file in site_files(ROOT) if file.suffix == ".md"}
    assert named == {page for page in pages if not page.startswith("docs/adr/0")}


def _named(entry: Any) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
        return
    for inner in entry.values() if isinstance(entry, dict) else entry:
        yield from _named(inner)
