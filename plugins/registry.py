"""What registry, ledger and router say of all pipelines at once; `jobs.models.registry` is what jobs ask.

MLflow is queried by REST: importing its client would cost the triggerer and the API server seconds and 200 MB.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import httpx

from tidewheel.ledger.locks import Busy
from tidewheel.ledger.releases import Releases
from tidewheel.mlflow_api import CHAMPION, mlflow_client
from tidewheel.release import Colour
from tidewheel.release.backend import all_traffic
from tidewheel.release.traffic import Traffic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tidewheel.ledger import Ledger
    from tidewheel.ledger.tables import ReleaseRow
    from tidewheel.settings import Settings

PATIENCE_SECONDS = 15.0
PAGE = 1000


ABANDONED = timedelta(minutes=10)
"""A release that began longer ago, and that no process works on, has been abandoned."""


@dataclass(frozen=True)
class Unreleased:
    """A champion that does not answer as it should: not yet, or not any more, or its release was left in the middle.

    Or a version that answers, and that nothing in the registry names as the champion any more.

    Attributes:
        champion: the registered version that the alias names; empty where there is none.
        live: the version that answers, None where none does.
        left: number of the release that nobody works on any more.
        astray: what the router does with the requests, where the ledger says otherwise.
        gone: what was deleted in the registry of the version that answers, in words.
    """

    champion: str
    live: str | None
    left: int | None = None
    astray: str | None = None
    gone: str | None = None


def registered_aliases(settings: Settings, timeout_seconds: float = PATIENCE_SECONDS) -> dict[str, dict[str, str]]:
    """The aliases of every registered model with their versions, a thousand models a request.

    Args:
        settings: address and password of the server.
        timeout_seconds: how long to wait for an answer.

    Raises:
        SettingsError: no registry is configured.
        HTTPError: the registry does not answer as it should.
    """
    query: dict[str, Any] = {"max_results": PAGE}
    aliases: dict[str, dict[str, str]] = {}
    with mlflow_client(settings, timeout_seconds) as client:
        while True:
            page = client.get("registered-models/search", params=query).raise_for_status().json()
            for model in page.get("registered_models", []):
                aliases[model["name"]] = {a["alias"]: str(a["version"]) for a in model.get("aliases", [])}
            if not (token := page.get("next_page_token")):
                return aliases
            query["page_token"] = token


def unreleased(
    settings: Settings, ledger: Ledger, now: datetime, astray: Mapping[str, str] | None = None
) -> dict[str, Unreleased]:
    """The champions that neither answer nor are on their way to, and what answers without being champion, by pipeline.

    Args:
        settings: where the registry is.
        ledger: knows the releases.
        now: the time.
        astray: the pipelines whose requests do not go where the ledger says, as `routed_astray` tells them.

    Raises:
        SettingsError: no registry is configured.
        HTTPError: the registry does not answer as it should.
        LedgerError: the ledger cannot be reached.
    """
    champions = {
        name: aliases[CHAMPION] for name, aliases in registered_aliases(settings).items() if CHAMPION in aliases
    }
    # The ledger last: a release that ends meanwhile is seen as ended, and never as one that nobody has begun.
    releases = Releases(ledger)
    coming = {row.pipeline: row.version for row in releases.all_running()}
    old = releases.all_running(began_before=now - ABANDONED)
    left = {row.pipeline: row.id for row in old if _is_left(ledger, row)}
    live = {row.pipeline: row.version for row in releases.endpoints()}
    lost = {name: says for name, says in (astray or {}).items() if name not in coming}
    unreleased = {
        name: Unreleased(champion, live.get(name), left.get(name), lost.get(name))
        for name, champion in champions.items()
        if name in left or name in lost or champion not in (live.get(name), coming.get(name))
    }
    for name in live.keys() - champions.keys() - coming.keys():
        unreleased[name] = Unreleased("", live[name], left.get(name), lost.get(name), gone_words(live[name]))
    return unreleased


def run_is_deleted(client: httpx.Client, mlflow_run: str) -> bool:
    """Whether somebody has deleted a run in MLflow.

    Args:
        client: of MLflow, see `tidewheel.mlflow_api.mlflow_client`; several threads may use it.
        mlflow_run: id of the run.

    Raises:
        HTTPError: the registry does not answer as it should.
    """
    answer = client.get("runs/get", params={"run_id": mlflow_run})
    if answer.status_code == httpx.codes.NOT_FOUND:
        return True
    return str(answer.raise_for_status().json()["run"]["info"].get("lifecycle_stage")) == "deleted"


def gone_words(version: str) -> str:
    """What to say of a version that answers, where the registry names no champion."""
    return (
        f"version {version} answers, and MLflow names no champion any more: the alias, the version or the whole "
        "registered model was deleted or renamed there; the release that begins now says which, and what to do"
    )


def routed_astray(settings: Settings, ledger: Ledger) -> dict[str, str]:
    """The pipelines whose requests the router sends elsewhere than the ledger says, with where, in words.

    One whose release is under way is left out: that moves both. What is seen once may be a release that ended between
    two questions; what is seen twice in a row is not.

    Raises:
        SettingsError: it is not said where the router is.
        PlatformError: the router does not answer.
        LedgerError: the ledger cannot be reached.
    """
    traffic = all_traffic(settings)
    releases = Releases(ledger)
    coming = {row.pipeline for row in releases.all_running()}
    recorded = {row.pipeline: Traffic(Colour(row.colour)) for row in releases.endpoints()}
    return {
        name: str(found)
        for name in (traffic.keys() | recorded.keys()) - coming
        if (found := traffic.get(name, Traffic())) != recorded.get(name, Traffic())
    }


def _is_left(ledger: Ledger, row: ReleaseRow) -> bool:
    """Whether no process works on a release: then its lock is free."""
    try:
        with Releases(ledger).exclusively(row.pipeline, 0):
            return True
    except Busy:
        return False
