"""Runs a command and keeps what it printed as a picture, for the documentation.

python -m benchmarks.recording docs/images/release.svg tidewheel release flight_delay --version 2
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 118
REMOTE_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)
"""Rich's picture loads a font from elsewhere, which a page that shows it as an image never does."""


def main(picture: Path, command: list[str]) -> int:
    """Run a command, pass on what it prints, and draw it; returns its exit code."""
    console = Console(record=True, width=WIDTH, highlight=False, force_terminal=False)
    console.print(Text(f"$ {shlex.join(command)}", style="bold"))
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as running:
        assert running.stdout is not None
        for line in running.stdout:
            console.print(Text.from_ansi(line.rstrip("\n")))
    drawn = console.export_svg(title=" ".join(command[:2]), theme=MONOKAI, unique_id=picture.stem)
    lines = REMOTE_FONTS.sub("", drawn).splitlines()
    picture.write_text("\n".join(line.rstrip() for line in lines) + "\n", encoding="utf-8")
    return running.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
