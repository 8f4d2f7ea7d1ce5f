"""How much memory a process and its children hold."""

from __future__ import annotations

from pathlib import Path

import psutil


def tree_memory(pid: int) -> int:
    """Bytes that a process and its descendants hold, pages they share with others counted by their share (PSS)."""
    try:
        process = psutil.Process(pid)
        members = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0
    return sum(_proportional(member.pid) for member in members)


def _proportional(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:  # it has ended, or is none of ours
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
