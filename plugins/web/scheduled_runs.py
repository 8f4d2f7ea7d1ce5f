"""What a pipeline's scheduled run is called: a night where a partition is a day, else a weekly run."""

from __future__ import annotations

from tidewheel.partitions import DAY, Partitioning


def run_name(unit: Partitioning) -> str:
    """One run, after "the" or "next": `night`, `weekly run`."""
    return "night" if unit is DAY else f"{unit}ly run"


def how_often(unit: Partitioning) -> str:
    """How often it runs, after "every" or "any": `night`, `week`."""
    return "night" if unit is DAY else str(unit)
