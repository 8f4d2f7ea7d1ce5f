"""A sparkline: the path of an SVG line, small enough to stand in a line of text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, MARGIN = 120, 28, 3


@dataclass(frozen=True)
class Sparkline:
    """A line to draw.

    Attributes:
        path: `d` of a path element; empty where there is nothing to draw.
        x: place of the newest value.
        y: place of the newest value.
    """

    path: str = ""
    x: float = 0.0
    y: float = 0.0


def sparkline(points: Sequence[float]) -> Sparkline:
    """Draw values from left to right.

    Args:
        points: one a day, oldest first; NaN leaves a gap.

    Returns:
        The line; without any value it is empty.
    """
    known = [value for value in points if math.isfinite(value)]
    if not known:
        return Sparkline()
    low, spread = min(known), (max(known) - min(known)) or 1.0
    step = (WIDTH - 2 * MARGIN) / max(len(points) - 1, 1)
    steps, pen, x, y = [], "M", 0.0, 0.0
    for number, value in enumerate(points):
        if not math.isfinite(value):
            pen = "M"
            continue
        x, y = MARGIN + number * step, HEIGHT - MARGIN - (value - low) / spread * (HEIGHT - 2 * MARGIN)
        steps.append(f"{pen}{x:.1f} {y:.1f}")
        pen = "L"
    return Sparkline("".join(steps), round(x, 1), round(y, 1))
