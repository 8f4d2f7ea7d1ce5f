"""Collects the pages of the site: `python -m infra.site build/site-source`."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from infra.site.pages import site_files

ROOT = Path(__file__).parents[2]


def main() -> None:
    """Copy every page, and every file that a page links to, into an empty folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder to fill; what is in it is deleted")
    folder = parser.parse_args().folder
    shutil.rmtree(folder, ignore_errors=True)
    for file in site_files(ROOT):
        target = folder / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / file, target)


if __name__ == "__main__":
    main()
