"""The model services of one machine, as Prometheus' HTTP discovery reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.embedded.layout import Layout
from infra.embedded.ports import HOST
from infra.local.endpoints import Endpoints

if TYPE_CHECKING:
    from tidewheel.settings import Settings


def model_services(settings: Settings) -> list[dict[str, object]]:
    """Addresses of the services of each colour, with the labels that all their series get."""
    endpoints = Endpoints(Layout(settings.home.absolute())).all()
    return [
        {
            "targets": [f"{HOST}:{port}" for port in place.ports],
            "labels": {"pipeline": endpoint.pipeline, "colour": str(colour), "model_version": place.version},
        }
        for endpoint in endpoints
        for colour, place in sorted(endpoint.places.items())
    ]
