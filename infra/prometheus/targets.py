"""The model services of one machine, as Prometheus' HTTP discovery reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.embedded.layout import Layout
from infra.embedded.ports import HOST
from infra.local.endpoints import Endpoints

if TYPE_CHECKING:
    from tidewheel.settings import Settings


def model_services(settings: Settings) -> list[dict[str, object]]:
    """Addresses of the services of each colour; which pipeline and version they serve they say themselves."""
    endpoints = Endpoints(Layout(settings.home.absolute())).all()
    places = [place for endpoint in endpoints for place in endpoint.places.values()]
    return [{"targets": [f"{HOST}:{port}" for port in place.ports], "labels": {}} for place in places]
