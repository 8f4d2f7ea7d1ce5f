"""The BentoML service of one model version. Self-contained: it reads what was packaged beside it, and nothing else."""

from __future__ import annotations

import gc
from functools import cache
from typing import Any

import bentoml

from bentos.answer import Answer, ClassAnswer
from bentos.endpoint import Endpoint
from bentos.loaded_model import FOLDER, LoadedModel
from bentos.packaged import Packaged
from bentos.settings import EndpointSettings

SETTINGS = EndpointSettings.from_environment()
PACKAGED = Packaged.read(FOLDER)
ANSWER: type[Answer | ClassAnswer] = ClassAnswer if PACKAGED.contract.classes else Answer


@cache
def loaded_model() -> LoadedModel:
    """The model of this process."""
    model = LoadedModel.open(colour=SETTINGS.colour)
    gc.freeze()  # what is loaded now stays: searching it for garbage again and again would hold up requests
    return model


@bentoml.service(
    name=PACKAGED.pipeline,
    workers=1,  # a dead worker of several is never replaced, while the others hide it: one process a colour
    threads=2,
    metrics={"enabled": False},  # the raw path is a label there: our own are in `bentos.metrics`
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": [".*"]},  # its middleware costs a third of the throughput even at sample rate 0
)
class Model:
    """Predicts rows with one version of one pipeline's model."""

    def __init__(self) -> None:
        self._model = loaded_model()

    @bentoml.api(route="/predict", output_spec=ANSWER)  # type: ignore[untyped-decorator]
    def predict(self, rows: list[dict[str, Any]]) -> Answer | ClassAnswer:
        """Predict one row or many; a request over HTTP is answered by `bentos.endpoint` in the same way."""
        checked = self._model.reader.from_rows(rows)
        return ANSWER.model_validate(self._model.answer(checked, "in-process").fields())

    def __is_ready__(self) -> bool:
        return self._model.answers_a_golden_row()


# The decorator made a bentoml.Service of the class, which its types do not say.
application: bentoml.Service[Any] = Model
application.add_asgi_middleware(Endpoint, load=loaded_model, settings=SETTINGS)
