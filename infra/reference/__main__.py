"""Writes the generated pages: `python -m infra.reference docs`."""

from __future__ import annotations

import argparse
from pathlib import Path

from infra.reference.pages import reference_pages


def main() -> None:
    """Write every page into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder of the documentation")
    folder = parser.parse_args().folder
    for name, text in reference_pages(folder).items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
