"""Putting a version behind an endpoint: a pure plan, and an executor that runs it stage by stage."""

from tidewheel.release.stages import STAGE_NAMES, Colour, Stage

__all__ = ["STAGE_NAMES", "Colour", "Stage"]
