"""The model that this process serves: loaded once, warmed up, and called for each request."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bentos.answer import PredictionResult
from bentos.encoding import UnknownCategory
from bentos.explainer import Explainer, Explanation, unpack
from bentos.packaged import EXPLANATION, MODEL, Packaged
from bentos.predictor import Predictor, load
from bentos.problems import RequestRefused, problem, refusal
from bentos.request import Reader

if TYPE_CHECKING:
    from bentos.request import CheckedRows

FOLDER = Path(__file__).resolve().parent.parent
"""Where the Bento keeps what was packaged beside the code."""
WARM_UP_CALLS = 20


@dataclass(frozen=True)
class LoadedModel:
    """A packaged model, ready to answer.

    Attributes:
        packaged: its contract and facts.
        reader: checks requests for it.
        predictor: the compiled model.
        colour: blue or green, `none` where it was not set.
        folder: where it was packaged.
    """

    packaged: Packaged
    reader: Reader
    predictor: Predictor
    colour: str
    folder: Path = FOLDER

    @cached_property
    def explainer(self) -> Explainer | str:
        """What explains the model, or why nothing does. Opened when it is first needed: most callers need none."""
        return unpack((self.folder / EXPLANATION).read_bytes())

    @classmethod
    def open(cls, folder: Path = FOLDER, colour: str = "none") -> LoadedModel:
        """Load what is packaged in a folder, and answer golden rows until the first real request finds all in place."""
        packaged = Packaged.read(folder)
        predictor = load(packaged.format, (folder / MODEL).read_bytes(), packaged.contract.outputs.width)
        model = cls(packaged, Reader(packaged), predictor, colour, folder)
        golden = [golden.row for golden in packaged.contract.golden_rows]
        for _ in range(WARM_UP_CALLS):
            model.answer(model.reader.from_rows(golden[:1]), "warm-up")
        model.answer(model.reader.from_rows(golden), "warm-up")
        return model

    def answer(self, rows: CheckedRows, request_id: str) -> PredictionResult:
        """Answer rows that a reader has checked.

        Raises:
            RequestRefused: the model cannot take an unknown category.
        """
        try:
            predictions = self.predictor(rows.columns)
        except UnknownCategory as error:
            raise RequestRefused(422, str(error)) from error
        packaged = self.packaged
        return PredictionResult(
            predictions,
            packaged.version,
            self.colour,
            request_id,
            self.reader.flags(rows),
            outputs=packaged.contract.outputs,
        )

    def explain(self, rows: CheckedRows) -> Explanation:
        """Say what each field of rows that a reader has checked adds to their predictions.

        Raises:
            RequestRefused: nothing explains this model, the rows are too many, or the model cannot take a value.
        """
        explainer = self.explainer
        if isinstance(explainer, str):
            raise RequestRefused(422, f"this model's predictions cannot be explained: {explainer}")
        if len(rows) > explainer.most_rows:
            raise RequestRefused(
                413, f"{len(rows)} rows to explain in one request, {explainer.most_rows} at most; send them in several"
            )
        try:
            explanation = explainer(rows.columns)
        except UnknownCategory as error:
            raise RequestRefused(422, str(error)) from error
        finite = np.isfinite(explanation.contributions)
        if not finite.all():
            row, place = (int(n) for n in np.argwhere(~finite)[0])
            raise refusal(
                [problem(row, explanation.fields[place], "a value too large to be explained", "a smaller number")], 1
            )
        return explanation

    def answers_a_golden_row(self) -> bool:
        """Whether the model predicts a golden row, by the way that a request takes."""
        rows = self.reader.from_rows([self.packaged.contract.golden_rows[0].row])
        return bool(np.isfinite(self.answer(rows, "ready").predictions).all())
