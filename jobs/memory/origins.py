"""How registered versions were made, for a fit that goes on from one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jobs.memory.protocol import Origin
from jobs.models import files, registry
from jobs.models.lineage import Lineage, WarmStarted
from jobs.training.going_on import Start

if TYPE_CHECKING:
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

SAME = ("estimator", "parameters", "loss", "quantile", "sample_weight", "class_weight")
"""Keys of `training` that a predecessor must have had the same values of."""


def origin_of(settings: Settings, pipeline: Pipeline, version: ModelVersionRow) -> Origin:
    """How a version was made.

    Args:
        settings: of this installation.
        pipeline: today's declaration, which the version's is compared with.
        version: its row in the ledger.

    Raises:
        RegistryError: its files are gone, or are not those that were registered.
        ValueError: they cannot be read.
    """
    lineage = Lineage.model_validate_json(files.read(settings, version, files.LINEAGE_FILE))
    warm = lineage.warm.number if lineage.warm else 0
    return Origin(warm, _difference(settings, pipeline, version, lineage))


def restored(settings: Settings, pipeline: Pipeline, warm: WarmStarted) -> Start:
    """The start of a version that was made by a warm start, from its lineage.

    Args:
        settings: of this installation.
        pipeline: as the version was declared.
        warm: from its lineage.

    Raises:
        RegistryError: the predecessor is gone, or its file is not the one that was registered.
    """
    row = registry.trained_version(settings, pipeline.name, warm.version)
    model = (
        registry.load_judged_model(settings, row)
        if warm.judged
        else registry.load_model(settings, pipeline.name, warm.version)
    )
    return Start(warm.version, model, warm.rounds, warm.number, warm.judged)


def _difference(settings: Settings, pipeline: Pipeline, version: ModelVersionRow, lineage: Lineage) -> str:
    """In what a version's rows or declaration differ from today's, as the end of a sentence; empty where in nothing."""
    contract = registry.contract(settings, pipeline.name, version.version or "")
    ours = (pipeline.features.numeric, pipeline.features.categorical)
    if (contract.numeric, contract.categorical) != ours:
        now, then = set(pipeline.features.columns), {*contract.numeric, *contract.categorical}
        changes = [*(f"{name} is new" for name in sorted(now - then)), *(f"{n} is gone" for n in sorted(then - now))]
        return f"has other features ({', '.join(changes) or 'in another order, or of another kind'})"
    if list(contract.classes) != list(pipeline.labels.classes) or contract.task != pipeline.task:
        return "predicts other classes or another kind of label"
    declared = lineage.declaration().training
    if other := [name for name in SAME if getattr(declared, name) != getattr(pipeline.training, name)]:
        return f"was declared with other training.{' and training.'.join(other)}"
    return ""
