"""What registry, ledger and endpoints say of all pipelines at once; `jobs.models.registry` is what jobs ask.

MLflow is asked by REST: importing its client would cost the triggerer and the API server seconds and 200 MB.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx

from tidewheel.ledger.alone import Busy
from tidewheel.ledger.releases import Releases

if TYPE_CHECKING:
    from tidewheel.ledger import Ledger
    from tidewheel.ledger.tables import ReleaseRow
    from tidewheel.settings import Settings

CHAMPION = "champion"
CHALLENGER = "challenger"
PATIENCE_SECONDS = 15.0
PAGE = 1000


ABANDONED = timedelta(minutes=10)
"""A release that began longer ago, and that no process works on, has been left by whoever ran it."""


@dataclass(frozen=True)
class Unreleased:
    """A champion that does not answer yet, or whose release was left in the middle.

    Attributes:
        champion: the registered version that the alias names.
        live: the version that answers, None where none does.
        left: number of the release that nobody works on any more.
    """

    champion: str
    live: str | None
    left: int | None = None


def registered_aliases(settings: Settings, timeout_seconds: float = PATIENCE_SECONDS) -> dict[str, dict[str, str]]:
    """The aliases of every registered model with their versions, a thousand models a request.

    Args:
        settings: address and password of the server.
        timeout_seconds: how long to wait for an answer.

    Raises:
        SettingsError: no registry is configured.
        HTTPError: the registry does not answer as it should.
    """
    url = f"{settings.require('mlflow_url').rstrip('/')}/api/2.0/mlflow/registered-models/search"
    user = (settings.mlflow_username, settings.require("mlflow_password")) if settings.mlflow_username else None
    asked: dict[str, Any] = {"max_results": PAGE}
    found: dict[str, dict[str, str]] = {}
    with httpx.Client(auth=user, timeout=timeout_seconds, verify=_trusted()) as client:
        while True:
            page = client.get(url, params=asked).raise_for_status().json()
            for model in page.get("registered_models", []):
                found[model["name"]] = {a["alias"]: str(a["version"]) for a in model.get("aliases", [])}
            if not (token := page.get("next_page_token")):
                return found
            asked["page_token"] = token


def unreleased(settings: Settings, ledger: Ledger, now: datetime) -> dict[str, Unreleased]:
    """The champions that neither answer nor are on their way to, by pipeline.

    Raises:
        SettingsError: no registry is configured.
        HTTPError: the registry does not answer as it should.
        LedgerError: the ledger cannot be reached.
    """
    champions = {name: found[CHAMPION] for name, found in registered_aliases(settings).items() if CHAMPION in found}
    # The ledger last: a release that ends meanwhile is seen as ended, and never as one that nobody has begun.
    releases = Releases(ledger)
    coming = {row.pipeline: row.version for row in releases.all_running()}
    old = releases.all_running(began_before=now - ABANDONED)
    left = {row.pipeline: row.id for row in old if _is_left(ledger, row)}
    live = {row.pipeline: row.version for row in releases.endpoints()}
    return {
        name: Unreleased(champion, live.get(name), left.get(name))
        for name, champion in champions.items()
        if name in left or champion not in (live.get(name), coming.get(name))
    }


@cache
def _trusted() -> ssl.SSLContext:
    """The system's certificates, read once: reading them for each look would cost more than the look."""
    return ssl.create_default_context()


def _is_left(ledger: Ledger, row: ReleaseRow) -> bool:
    """Whether no process works on a release: then its lock is free."""
    try:
        with Releases(ledger).exclusively(row.pipeline, 0):
            return True
    except Busy:
        return False
