"""What the overview page shows of each pipeline. A part that does not answer is said to be silent, and no more."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from plugins.registry import CHALLENGER, CHAMPION, gone_words, registered_aliases, run_is_deleted
from tidewheel.errors import SpecError, TidewheelError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.ledger.releases import Releases
from tidewheel.retirement.traces import undeclared, undeclared_sentence
from tidewheel.spec import load_pipeline, pipeline_files

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Future

    from tidewheel.ledger.tables import EndpointRow, ModelVersionRow, ReleaseRow, RetrainRequestRow, VerdictRow
    from tidewheel.settings import Settings

T = TypeVar("T")
PURPOSES = ("features", "scoring", "monitoring", "training", "release")
VERDICTS = 4
PAGE_PATIENCE_SECONDS = 3.0
"""A page shows what it knows rather than wait for a part that is silent."""
QUESTIONS_AT_ONCE = 8
REGISTRY, LEDGER, LAKE = "MLflow", "the ledger", "the lake"


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
        gone: what was deleted in the registry of what answers, or waits to; empty where nothing was.
        unknown: the parts of the platform that did not answer; what is theirs to say is not known.
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
    gone: str = ""
    unknown: Collection[str] = ()


@dataclass(frozen=True)
class Known:
    """What the ledger knows of one pipeline; see `Card`."""

    endpoint: EndpointRow | None = None
    release: ReleaseRow | None = None
    request: RetrainRequestRow | None = None
    verdicts: Sequence[VerdictRow] = ()
    newest_model: ModelVersionRow | None = None

    def waiting(self, champion: str | None) -> ModelVersionRow | None:
        """The newest model, while it neither is champion nor answers."""
        row, live = self.newest_model, self.endpoint.version if self.endpoint else None
        return row if row is not None and row.version not in (champion, live) else None


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
    """Look at every pipeline once, and wait no longer than `PAGE_PATIENCE_SECONDS` for any part of the platform."""
    files = pipeline_files(settings.pipelines_folder)
    names = [file.stem for file in files]
    pool = ThreadPoolExecutor(QUESTIONS_AT_ONCE)
    registry = pool.submit(registered_aliases, settings, PAGE_PATIENCE_SECONDS)
    ledger = pool.submit(_known, settings, names)
    serving = pool.submit(_serving, settings)
    lakes = {name: pool.submit(_newest_day, settings, name) for name in names}
    answers = _Answers()
    aliases = answers.of(REGISTRY, registry) or {}
    known = answers.of(LEDGER, ledger) or {}
    runs = {
        name: (row.version, pool.submit(run_is_deleted, settings, row.mlflow_run, PAGE_PATIENCE_SECONDS))
        for name, found in known.items()
        if (row := found.waiting(aliases.get(name, {}).get(CHAMPION)))
    }
    lost = {name: version for name, (version, run) in runs.items() if answers.of(REGISTRY, run)}
    days = {name: answers.of(LAKE, lake) for name, lake in lakes.items()}
    pool.shutdown(wait=False, cancel_futures=True)
    cards = [
        _card(
            file, settings, aliases.get(name, {}), known.get(name, Known()), days[name], answers.silent, lost.get(name)
        )
        for file, name in zip(files, names, strict=True)
    ]
    cards += [
        Card(name, error=undeclared_sentence(name)) for name in undeclared(settings, answers.of(LEDGER, serving) or [])
    ]
    return Overview(cards, list(answers.silent.values()))


class _Answers:
    """Waits for what was asked, all together no longer than a page may take.

    Attributes:
        silent: the parts that did not answer, each with the reason.
    """

    def __init__(self) -> None:
        self.silent: dict[str, str] = {}
        self._deadline = time.monotonic() + PAGE_PATIENCE_SECONDS

    def of(self, part: str, asked: Future[T]) -> T | None:
        """What a part answers; None where it is silent."""
        try:
            return asked.result(max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            self.silent.setdefault(part, f"{part} has not answered within {PAGE_PATIENCE_SECONDS:g} s")
        except Exception as error:  # whatever a database, a registry or any kind of store may raise
            named = isinstance(error, TidewheelError)  # what we word ourselves says who is meant
            self.silent.setdefault(part, str(error) if named else f"{part} does not answer: {error}")
        return None


def _known(settings: Settings, pipelines: Sequence[str]) -> dict[str, Known]:
    ledger = Ledger.open(settings, patience_seconds=0)
    releases = Releases(ledger)
    try:
        return {
            name: Known(
                endpoint=releases.endpoint(name),
                release=next(iter(releases.newest(name, limit=1)), None),
                request=ledger.open_request(name),
                verdicts=ledger.verdicts(name, limit=VERDICTS),
                newest_model=Models(ledger).newest(name),
            )
            for name in pipelines
        }
    finally:
        ledger.engine.dispose()


def _serving(settings: Settings) -> list[str]:
    ledger = Ledger.open(settings, patience_seconds=0)
    try:
        return [row.pipeline for row in Releases(ledger).endpoints()]
    finally:
        ledger.engine.dispose()


def _newest_day(settings: Settings, pipeline: str) -> str | None:
    return Lake.open(pipeline, settings).newest("features")


def _card(
    file: Path,
    settings: Settings,
    aliases: Mapping[str, str],
    known: Known,
    newest_day: str | None,
    unknown: Collection[str],
    lost_challenger: str | None,
) -> Card:
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
        newest_day=newest_day,
        verdicts=known.verdicts,
        docs=f"{settings.endpoint_url.rstrip('/')}/{name}/" if serving and settings.endpoint_url else "",
        registered_model=f"{settings.mlflow_url.rstrip('/')}/#/models/{name}" if settings.mlflow_url else "",
        gone=_gone(serving, aliases, lost_challenger) if REGISTRY not in unknown else "",
        unknown=unknown,
    )


def _gone(serving: EndpointRow | None, aliases: Mapping[str, str], lost_challenger: str | None) -> str:
    told = [gone_words(serving.version)] if serving and not aliases.get(CHAMPION) else []
    if lost_challenger:
        told.append(
            f"the MLflow run of version {lost_challenger}, the newest challenger, was deleted: restore it there, or "
            "train again; until then it is neither judged nor promoted"
        )
    return "; ".join(told)
