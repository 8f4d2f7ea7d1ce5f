"""Writing that fails half-way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

FAILURES = (OSError(28, "No space left on device"), KeyboardInterrupt())


@pytest.fixture
def rename_fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, BaseException], None]:
    """Lets the n-th renaming of a file raise an error."""

    def arrange(number: int, failure: BaseException) -> None:
        rename, calls = Path.rename, []

        def failing(self: Path, target: Path) -> Path:
            calls.append(target)
            if len(calls) == number:
                raise failure
            return rename(self, target)

        monkeypatch.setattr(Path, "rename", failing)

    return arrange
