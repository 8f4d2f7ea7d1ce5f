"""What MLflow keeps of a judged version: figures, curves, calibration, importances, slices, and the model card."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.data.training_data import PARTITION
from jobs.evaluation.comparison import ScoredRows, figure_interval
from jobs.evaluation.importances import judged_importances
from jobs.evaluation.model_card import CardFacts, model_card
from jobs.evaluation.plots import plots
from jobs.evaluation.slices import masks, with_class_names
from jobs.models import registry
from jobs.models.figures import all_figures
from jobs.models.metrics import measure
from jobs.models.row_weights import at
from jobs.partial_failures import RAISING, PartialFailures
from tidewheel.ledger import Ledger
from tidewheel.ledger.models import Models
from tidewheel.policies.gate.measurement import NAMES
from tidewheel.unknown import known_figures, known_or_none

if TYPE_CHECKING:
    import numpy as np

    from jobs.data.training_data import TrainingData
    from jobs.evaluation.judging import Judged
    from jobs.models.prediction import FittedModel
    from tidewheel.ledger.tables import ModelVersionRow
    from tidewheel.policies.gate.measurement import GateMeasurement
    from tidewheel.policies.verdict import Verdict
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

    Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

CARD_FILE = "model_card.md"
SLICES_FILE = "slices.json"
CONFIDENCE = 0.9
SMALLEST_SLICE = 30


@dataclass(frozen=True)
class JudgedVersion:
    """A version that the gate has judged.

    Attributes:
        version: its row in the ledger.
        model: that was judged.
        chosen: the days that it has learned from, and those that it was judged on.
        judged: what it and the champion predict.
        measured: what the gate compared.
        verdict: the gate's.
    """

    version: ModelVersionRow
    model: FittedModel
    chosen: TrainingData
    judged: Judged
    measured: GateMeasurement
    verdict: Verdict


def keep_evidence(
    settings: Settings, pipeline: Pipeline, found: JudgedVersion, failures: PartialFailures = RAISING
) -> str:
    """Log everything to the MLflow run that made the version; doing it again replaces it.

    What cannot be computed is left out, and the card says so.

    Args:
        settings: of the installation.
        pipeline: its declaration.
        found: the version, and what the gate found.
        failures: takes note of what cannot be computed.

    Returns:
        The card, as far as a version's description can hold it.
    """
    version, judged, measured = found.version, found.judged, found.measured
    logged = registry.training_run(settings, version)["data"]
    drawn = _plots(pipeline, judged, version, failures)
    facts = CardFacts(
        pipeline=pipeline,
        chosen=found.chosen,
        measured=measured,
        verdict=found.verdict,
        intervals=_intervals(pipeline, judged, failures),
        confidence=CONFIDENCE,
        slices=slice_table(pipeline, judged, failures),
        importances=judged_importances(pipeline, found.model, judged, failures),
        refit=version.refit,
        parameters={parameter["key"]: parameter["value"] for parameter in logged["params"]},
    )
    card = model_card(facts, failures)
    judged_on = "recent" if pipeline.on_probation else "holdout"
    known = {f"{judged_on}_{name}": value for name, value in known_figures(measured.challenger).items()}
    with registry.asking(settings) as client:
        for name, value in known.items():
            client.log_metric(version.mlflow_run, name, value)
        client.log_text(version.mlflow_run, card.text, CARD_FILE)
        client.log_dict(version.mlflow_run, dict(facts.importances), registry.IMPORTANCES_FILE)  # for the eye
        if facts.slices:
            head = list(facts.slices[0])
            table = {"columns": head, "data": [[row.get(name) for name in head] for row in facts.slices]}
            client.log_dict(version.mlflow_run, table, SLICES_FILE)  # as MLflow shows a table
        for name, figure in drawn.items():
            with failures.named(f"plot {name}"):  # it is drawn only now
                client.log_figure(version.mlflow_run, figure, f"plots/{name}")
    Models(Ledger.open(settings)).keep_importances(version, facts.importances)
    return card.description


def slice_table(pipeline: Pipeline, judged: Judged, failures: PartialFailures = RAISING) -> list[dict[str, object]]:
    """Figures of both models for each value of the columns that the pipeline watches, the most rows first.

    Columns are those of the gate and of monitoring, or all categorical ones where neither names any; for multiclass the
    classes too.
    """
    named = sorted({*pipeline.gate.columns, *(pipeline.monitoring.slices or ())})
    found: list[dict[str, object]] = []
    rows, columns = with_class_names(judged.rows, pipeline), named or [*pipeline.features.categorical]
    if pipeline.task == "multiclass":
        columns = [*columns, pipeline.labels.column]
    for column in [name for name in dict.fromkeys(columns) if name in rows]:
        for value, mask in masks(rows, column):
            if mask.sum() < SMALLEST_SLICE:
                continue
            with failures.named(f"figures of slice {column}={value}"):
                found.append({"slice": f"{column}={value}", "rows": int(mask.sum()), **_sliced(pipeline, judged, mask)})
    return sorted(found, key=lambda row: -int(str(row["rows"])))


def _sliced(pipeline: Pipeline, judged: Judged, mask: Mask) -> dict[str, object]:
    row: dict[str, object] = {}
    truth, weights = judged.truth[mask], at(judged.weights, mask)
    for name, figure in all_figures(truth, judged.challenger[mask], pipeline, weights).items():
        row[NAMES[name]] = known_or_none(figure)
    if judged.champion is not None:
        said = judged.champion[mask]
        theirs = measure(truth, said, pipeline.task, weights=weights, loss=pipeline.loss)[pipeline.metric]
        row[f"{NAMES[pipeline.metric]} of the champion"] = known_or_none(theirs)
    return row


def _intervals(pipeline: Pipeline, judged: Judged, failures: PartialFailures) -> dict[str, tuple[float, float]]:
    intervals: dict[str, tuple[float, float]] = {}
    if judged.rows.empty:
        return intervals
    for name in all_figures(judged.truth, judged.challenger, pipeline):
        with failures.named(f"interval of {NAMES[name]}"):
            intervals[name] = figure_interval(
                name,
                ScoredRows(judged.truth, judged.challenger, judged.rows[PARTITION], judged.weights, pipeline.loss),
                confidence=CONFIDENCE,
                seed=pipeline.training.seed,
                decision=pipeline.decision,
            )
    return intervals


def _plots(
    pipeline: Pipeline, judged: Judged, version: ModelVersionRow, failures: PartialFailures
) -> dict[str, object]:
    if pipeline.task == "multiclass":
        return {}  # the card's table of classes says what curves of two classes would
    if judged.rows.empty or (pipeline.task == "classification" and not 0 < judged.truth.mean() < 1):
        return {}  # of one kind of row there are no curves
    predicted = {f"version {version.version}": judged.challenger}
    if judged.champion is not None:
        predicted[f"version {judged.champion_version}"] = judged.champion
    return dict(plots(judged.truth, predicted, pipeline.task, failures))
