"""A new pipeline from templates: one that runs as it is, for a team to replace piece by piece."""

from tidewheel.scaffold.scaffold import Scaffold, plan_pipeline, write_pipeline

__all__ = ["Scaffold", "plan_pipeline", "write_pipeline"]
