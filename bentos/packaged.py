"""What was packaged beside this service: the model's contract, and the facts of one version and its pipeline."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from bentos.contract import CONTRACT, FORMAT, Contract

FACTS, MODEL, EXPLANATION = "service.json", "model.bin", "explanation.bin"


@dataclass(frozen=True)
class Packaged:
    """Everything that was packaged with a model.

    Attributes:
        contract: what the model accepts and predicts.
        description: what the model predicts, in a sentence.
        version: version in the registry.
        format: form of the compiled model.
        maximum_rows: most rows in one request.
        refuse_unknown: an unknown category is an error; otherwise it is answered and flagged.
        log_sample: share of the requests that go to the prediction log.
        key: fields a row may have besides, which say whose it is; they go to the prediction log, not to the model.
    """

    contract: Contract
    description: str
    version: str
    format: str
    maximum_rows: int
    refuse_unknown: bool
    log_sample: float
    key: tuple[str, ...]

    @property
    def pipeline(self) -> str:
        """Name of the pipeline."""
        return self.contract.pipeline

    @property
    def meaning(self) -> str:
        """What a prediction is."""
        if self.contract.classes:
            return f"class ({', '.join(self.contract.outputs.names)}), beside the probability of each"
        return "probability, from 0 to 1" if self.contract.task == "classification" else "predicted value"

    @classmethod
    def read(cls, folder: Path) -> Packaged:
        """Read the files of a packaged model.

        Raises:
            ValueError: the contract is of another format than this service reads.
        """
        contract = json.loads((folder / CONTRACT).read_text(encoding="utf-8"))
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        if contract["format"] != FORMAT:
            raise ValueError(f"{folder / CONTRACT} has format {contract['format']}, this service reads {FORMAT}")
        return cls(
            contract=Contract.model_validate(contract),
            description=facts["description"],
            version=facts["version"],
            format=facts["format"],
            maximum_rows=facts["maximum_rows"],
            refuse_unknown=facts["unknown_categories"] == "refuse",
            log_sample=facts["log_sample"],
            key=tuple(facts["key"]),
        )
