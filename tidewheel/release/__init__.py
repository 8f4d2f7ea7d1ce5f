"""Putting a version behind an endpoint: a pure plan, and an executor that runs it stage by stage."""

from tidewheel.release.plan import stage_names
from tidewheel.release.stages import Colour, Stage

__all__ = ["Colour", "Stage", "stage_names"]
