"""Which ports the model services take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.embedded.ports import MODEL_PORTS
from infra.local import LocalBackend
from infra.local.endpoints import Endpoints
from tests.free_ports import free_port
from tidewheel.errors import PlatformError
from tidewheel.release.stages import Colour

if TYPE_CHECKING:
    from tests.infra.local.conftest import House, Place


def test_models_start_on_the_ports_that_were_asked_for_and_say_when_there_is_none_left(
    house: House, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = free_port()
    asked = LocalBackend(place.settings.model_copy(update={"models_port": first}), place.pipeline.name)
    try:
        asked.start(Colour.BLUE, house.artifacts["1"], 1)
        taken = Endpoints(house.layout).get(place.pipeline.name).places[Colour.BLUE].ports
        assert taken[0] in range(first, first + MODEL_PORTS)

        monkeypatch.setattr("infra.local.backend.can_bind", lambda _: False)
        with pytest.raises(PlatformError, match=f"no port from {first} to .* set TIDEWHEEL_MODELS_PORT"):
            asked.start(Colour.GREEN, house.artifacts["1"], 1)
    finally:
        asked.stop(Colour.BLUE)
