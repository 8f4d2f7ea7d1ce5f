"""Opens a packaged model as a machine would that has nothing but its Bento, and says what it answers and what it used.

Run by its path in a process of its own: `python -I isolated.py FOLDER`. Modules that no installed package brings are
not there for it, and files that it reads beside those of the environment are noted. It imports nothing of ours but the
service's code in that folder. The last line it prints is JSON.
"""

from __future__ import annotations

import importlib.machinery
import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

ENVIRONMENT = [*sysconfig.get_paths().values(), sys.prefix, sys.base_prefix, "/proc", "/sys", "/dev", "/etc", "/usr"]


class OnlyInstalled:
    """Finds modules of installed packages and of one folder, and no others.

    Args:
        folder: the Bento's.
    """

    def __init__(self, folder: Path) -> None:
        packages = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
        self._paths = [str(folder), *packages, *(path for path in sys.path if path.endswith("lib-dynload"))]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        """The module's specification; None for one that is built in.

        Raises:
            ModuleNotFoundError: no installed package has it.
        """
        if name in sys.builtin_module_names or "." in name:
            return None  # a submodule lies where its package was found
        spec = importlib.machinery.PathFinder.find_spec(name, self._paths, target)
        if spec is None and not importlib.machinery.FrozenImporter.find_spec(name):
            raise ModuleNotFoundError(f"no module named {name!r} in the service's environment", name=name)
        return spec


def answer(folder: Path) -> dict[str, Any]:
    """Ask a packaged model for its golden rows.

    Args:
        folder: as the Bento has it.

    Returns:
        `together` and `alone`: the predictions; `files`: what was read beside the environment's files.
    """
    files: set[str] = set()
    own = [str(folder), *ENVIRONMENT]

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and "r" in str(arguments[1] or "r"):
            path = os.path.realpath(arguments[0])
            if not any(path.startswith(f"{root}/") for root in own):
                files.add(path)

    from bentos.loaded_model import LoadedModel

    sys.addaudithook(note)
    model = LoadedModel.open(folder)
    rows = [golden.row for golden in model.packaged.contract.golden_rows]

    def predicted(some: list[Any]) -> list[Any]:
        found: list[Any] = model.answer(model.reader.from_rows(some), "acceptance").predictions.tolist()
        return found

    together, alone = predicted(rows), [predicted([row])[0] for row in rows]
    return {"together": together, "alone": alone, "files": sorted(path for path in files if Path(path).is_file())}


if __name__ == "__main__":
    where = Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(where))
    sys.meta_path.insert(0, OnlyInstalled(where))
    try:
        found = answer(where)
    except Exception as error:  # whatever a team's code raises: the process that asks names it
        found = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(f"\n{json.dumps(found)}\n")
