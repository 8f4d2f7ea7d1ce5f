"""A packaged model version: what a backend starts, and what a release compares its answers with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONTRACT = "contract.json"


@dataclass(frozen=True)
class GoldenRow:
    """A real row, and what the model said to it offline."""

    row: dict[str, Any]
    prediction: float


@dataclass(frozen=True)
class Artifact:
    """A built Bento.

    Attributes:
        version: of the model, in the registry.
        tag: of the Bento, in its store.
        path: folder that is served.
        content_hash: digest of code, contract, facts and model.
    """

    version: str
    tag: str
    path: str
    content_hash: str

    def golden_rows(self) -> list[GoldenRow]:
        """The contract's golden rows."""
        contract = json.loads((Path(self.path) / CONTRACT).read_text(encoding="utf-8"))
        return [GoldenRow(golden["row"], golden["prediction"]) for golden in contract["golden_rows"]]
