"""Pictures of how a model predicts: ROC, precision and recall, calibration; for regression, prediction and truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from sklearn import metrics
from sklearn.calibration import calibration_curve

from jobs.partial_failures import RAISING, PartialFailures

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from jobs.models.prediction import Array, Task

    Draw = Callable[[Axes, Array, Mapping[str, Array]], None]

BINS = 10
DOTS = 3000
COLOURS = ("#1f6feb", "#8b949e")


def plots(
    truth: Array, predicted: Mapping[str, Array], task: Task, failures: PartialFailures = RAISING
) -> dict[str, Figure]:
    """Draw all pictures of a task.

    Args:
        truth: labels, of both kinds where they are classes.
        predicted: predictions for the same rows by the model's name; the first is the one in question.
        task: kind of label.
        failures: takes note of a picture that cannot be drawn.

    Returns:
        Figures by file name.
    """
    pictures = {
        "regression": {"predictions.png": [_scatter], "calibration.png": [_means]},
        "classification": {"curves.png": [_roc, _precision_recall], "calibration.png": [_calibration]},
    }
    drawn = {}
    for name, parts in pictures[task].items():
        with failures.named(f"plot {name}"):
            drawn[name] = _figure(parts, truth, predicted)
    return drawn


def _figure(parts: Sequence[Draw], truth: Array, predicted: Mapping[str, Array]) -> Figure:
    figure = Figure(figsize=(5.4, 4.8) if len(parts) == 1 else (10, 4.6), layout="constrained")
    for axes, draw in zip(figure.subplots(1, len(parts), squeeze=False)[0], parts, strict=True):
        draw(axes, truth, predicted)
    return figure


def _roc(axes: Axes, truth: Array, predicted: Mapping[str, Array]) -> None:
    for (name, answers), colour in zip(predicted.items(), COLOURS, strict=False):
        false, true, _ = metrics.roc_curve(truth, answers)
        axes.plot(false, true, color=colour, label=f"{name}, area {metrics.roc_auc_score(truth, answers):.3f}")
    axes.plot([0, 1], [0, 1], ":", color="#d0d7de")
    _words(axes, "ROC", "share of negatives flagged", "share of positives detected")


def _precision_recall(axes: Axes, truth: Array, predicted: Mapping[str, Array]) -> None:
    for (name, answers), colour in zip(predicted.items(), COLOURS, strict=False):
        precision, recall, _ = metrics.precision_recall_curve(truth, answers)
        mean = metrics.average_precision_score(truth, answers)
        axes.plot(recall, precision, color=colour, label=f"{name}, mean precision {mean:.3f}")
    axes.axhline(truth.mean(), ls=":", color="#d0d7de")
    _words(axes, "Precision and recall", "recall: share of positives detected", "precision")


def _calibration(axes: Axes, truth: Array, predicted: Mapping[str, Array]) -> None:
    for (name, answers), colour in zip(predicted.items(), COLOURS, strict=False):
        rate, said = calibration_curve(truth, answers, n_bins=BINS, strategy="quantile")
        axes.plot(said, rate, "o-", color=colour, label=name)
    top = max(axes.get_xlim()[1], axes.get_ylim()[1])
    axes.plot([0, top], [0, top], ":", color="#d0d7de")
    _words(axes, "Calibration", "mean prediction of a tenth of the rows", "share that came true")


def _scatter(axes: Axes, truth: Array, predicted: Mapping[str, Array]) -> None:
    name, answers = next(iter(predicted.items()))
    shown = np.linspace(0, len(truth) - 1, min(len(truth), DOTS)).astype(int)
    axes.plot(answers[shown], truth[shown], ".", ms=3, alpha=0.4, color=COLOURS[0], label=name)
    ends = [float(truth.min()), float(truth.max())]
    axes.plot(ends, ends, ":", color="#d0d7de")
    _words(axes, "Predictions", "prediction", "truth")


def _means(axes: Axes, truth: Array, predicted: Mapping[str, Array]) -> None:
    for (name, answers), colour in zip(predicted.items(), COLOURS, strict=False):
        parts = [part for part in np.array_split(np.argsort(answers, kind="stable"), BINS) if len(part)]
        said, came = ([float(values[part].mean()) for part in parts] for values in (answers, truth))
        axes.plot(said, came, "o-", color=colour, label=name)
    ends = [float(truth.min()), float(truth.max())]
    axes.plot(ends, ends, ":", color="#d0d7de")
    _words(axes, "Calibration", "mean prediction of a tenth of the rows", "mean truth")


def _words(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.legend(frameon=False, fontsize="small")
