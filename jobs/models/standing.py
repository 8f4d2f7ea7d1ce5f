"""Who the champion is, and what speaks against a version: by the ledger, whatever an alias in MLflow says.

The alias `champion` is a request. It is followed where the ledger has nothing against the version that it names; where
it has, or where the alias is gone, what answers goes on being the champion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.models import registry
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models, objection
from tidewheel.ledger.releases import Releases

if TYPE_CHECKING:
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline


@dataclass(frozen=True)
class Standing:
    """The champion of a pipeline.

    Attributes:
        champion: as the ledger knows it; None where there is none.
        astray: why it is not the version that MLflow's alias names; empty where it is.
    """

    champion: ModelVersionRow | None
    astray: str = ""

    @property
    def version(self) -> str:
        """The champion's number, empty where there is none."""
        return (self.champion.version or "") if self.champion else ""


def standing(settings: Settings, pipeline: Pipeline) -> Standing:
    """The champion: the version that the alias names, if nothing speaks against it; else what answers.

    Raises:
        RegistryError: MLflow cannot be reached.
        LedgerError: the ledger cannot be reached.
    """
    ledger = Ledger.open(settings)
    models, name = Models(ledger), pipeline.name
    alias = registry.champion(settings, name)
    if alias is not None:
        against = objection_to(ledger, pipeline, alias.version)
        if not against:
            return Standing(models.get(name, alias.version))
        astray = f"the alias champion names version {alias.version}, which {against}"
    endpoint, promotion = Releases(ledger).endpoint(name), models.promotion(name)
    answers = models.get(name, endpoint.version) if endpoint else None
    if answers is None and promotion is not None and not objection_to(ledger, pipeline, promotion.version):
        answers = models.get(name, promotion.version)
    if alias is None:
        if endpoint is None and promotion is None:
            return Standing(None)
        last = endpoint.version if endpoint else promotion.version if promotion else ""
        astray = _without_alias(settings, name, last, answers)
    return Standing(answers, astray)


def standing_before(settings: Settings, pipeline: Pipeline, version: str) -> Standing:
    """The champion that a version has to beat; for one that is champion already (a run is repeated), its predecessor.

    Raises:
        RegistryError: MLflow cannot be reached, or the ledger does not know the predecessor.
    """
    before = standing(settings, pipeline)
    if before.version != version:
        return before
    promotion = Models(Ledger.open(settings)).promotion(pipeline.name, version)
    previous = promotion.previous_version if promotion else ""
    return Standing(registry.trained_version(settings, pipeline.name, previous) if previous else None)


def objection_to(ledger: Ledger, pipeline: Pipeline, version: str) -> str:
    """What speaks against a version; empty where nothing does, or where somebody has answered for it already."""
    models = Models(ledger)
    if models.get(pipeline.name, version) is None:
        return registry.unknown(pipeline.name, version)
    decisions = models.decisions(pipeline.name, version)
    return objection(decisions, approval_needed=pipeline.gate.approval == "manual")


def _without_alias(settings: Settings, pipeline: str, last: str, row: ModelVersionRow | None) -> str:
    if row is None:
        return f"the alias champion is gone from MLflow, and version {last} {registry.unknown(pipeline, last)}"
    if gone := registry.lost(settings, row):
        return f"version {row.version}, the champion, {gone}"
    return (
        f"the alias champion is gone from MLflow; version {row.version} is the last that had it: set it there again, "
        f"or run `tidewheel release {pipeline}`"
    )
