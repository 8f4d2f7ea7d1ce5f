"""What the overview page shows of each pipeline. A part that does not answer is said to be silent, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

from plugins.registry import CHALLENGER, CHAMPION, registered_aliases
from tidewheel.errors import SpecError, TidewheelError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Releases
from tidewheel.spec import load_pipeline, pipeline_files

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tidewheel.ledger.tables import EndpointRow, ReleaseRow, RetrainRequestRow, VerdictRow
    from tidewheel.settings import Settings

PURPOSES = ("features", "scoring", "monitoring", "training", "release")
VERDICTS = 4
PAGE_PATIENCE_SECONDS = 3.0
"""A page shows what it knows rather than wait for a registry that is silent."""


@dataclass(frozen=True)
class Card:
    """One pipeline.

    Attributes:
        name: of the pipeline.
        description: what its model predicts.
        owner: the team that answers for it.
        error: why its file cannot be read; nothing else is known then.
        champion: the registered version that shall serve.
        challenger: the registered version that wants to.
        live_version: the version that the last release put behind the endpoint.
        live_colour: and the colour it runs in.
        release: the newest release, on its way or ended.
        request: the wish for a training that nobody has answered yet.
        newest_day: the newest day with published features.
        verdicts: the newest decisions, newest first.
        docs: address of the endpoint's documentation; empty while nothing serves.
        registered_model: address of the model in the registry.
    """

    name: str
    description: str = ""
    owner: str = ""
    error: str = ""
    champion: str | None = None
    challenger: str | None = None
    live_version: str | None = None
    live_colour: str | None = None
    release: ReleaseRow | None = None
    request: RetrainRequestRow | None = None
    newest_day: str | None = None
    verdicts: Sequence[VerdictRow] = ()
    docs: str = ""
    registered_model: str = ""


@dataclass(frozen=True)
class Known:
    """What the ledger knows of one pipeline; see `Card`."""

    endpoint: EndpointRow | None = None
    release: ReleaseRow | None = None
    request: RetrainRequestRow | None = None
    verdicts: Sequence[VerdictRow] = ()


@dataclass(frozen=True)
class Overview:
    """The whole page.

    Attributes:
        cards: one a pipeline, by name.
        silent: parts of the platform that did not answer, with the reason.
    """

    cards: Sequence[Card]
    silent: Sequence[str]


def overview(settings: Settings) -> Overview:
    """Look at every pipeline once."""
    silent: list[str] = []

    def ask(what: Callable[[], Mapping[str, Any]]) -> Mapping[str, Any]:
        try:
            return what()
        except (TidewheelError, httpx.HTTPError) as error:
            silent.append(str(error))
            return {}

    files = pipeline_files(settings.pipelines_folder)
    names = [file.stem for file in files]
    aliases = ask(lambda: registered_aliases(settings, PAGE_PATIENCE_SECONDS))
    ledger = ask(lambda: {"open": Ledger.open(settings)}).get("open")
    known = ask(lambda: {name: _known(ledger, name) for name in names}) if ledger else {}
    cards = [_card(file, settings, aliases.get(file.stem, {}), known.get(file.stem, Known())) for file in files]
    if ledger:
        ledger.engine.dispose()
    return Overview(cards, silent)


def _known(ledger: Ledger, pipeline: str) -> Known:
    releases = Releases(ledger)
    return Known(
        endpoint=releases.endpoint(pipeline),
        release=next(iter(releases.newest(pipeline, limit=1)), None),
        request=ledger.open_request(pipeline),
        verdicts=ledger.verdicts(pipeline, limit=VERDICTS),
    )


def _card(file: Path, settings: Settings, aliases: Mapping[str, str], known: Known) -> Card:
    try:
        pipeline = load_pipeline(file)
    except SpecError as error:
        return Card(file.stem, error=str(error))
    name, serving = pipeline.name, known.endpoint
    return Card(
        name=name,
        description=pipeline.description,
        owner=pipeline.owner.team,
        champion=aliases.get(CHAMPION),
        challenger=aliases.get(CHALLENGER),
        live_version=serving.version if serving else None,
        live_colour=serving.colour if serving else None,
        release=known.release,
        request=known.request,
        newest_day=Lake.open(name, settings).newest("features"),
        verdicts=known.verdicts,
        docs=f"{settings.endpoint_url.rstrip('/')}/{name}/" if serving and settings.endpoint_url else "",
        registered_model=f"{settings.mlflow_url.rstrip('/')}/#/models/{name}" if settings.mlflow_url else "",
    )
