"""The files of the site. Pages link to each other as in the repository, so their layout stays the same."""

from __future__ import annotations

import re
from pathlib import Path

PAGES = ("*.md", "docs/**/*.md", "benchmarks/*.md")
OTHERS = ("docs/site.css",)
LINK = re.compile(r"\]\((?!https?://|mailto:|#)([^)#\s]+)")


def site_files(root: Path) -> list[Path]:
    """The pages and all files that they link to.

    Args:
        root: folder of the repository.

    Returns:
        Paths relative to `root`, sorted.

    Raises:
        ValueError: a page links to a folder or to a file that does not exist.
    """
    pages = {page for pattern in PAGES for page in root.glob(pattern)}
    for page in tuple(pages):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            file = (page.parent / target).resolve()
            if not file.is_file():
                raise ValueError(f"{page.relative_to(root)} links to {target}: expected a file of the repository")
            pages.add(file)
    return sorted({*(file.relative_to(root) for file in pages), *map(Path, OTHERS)})
