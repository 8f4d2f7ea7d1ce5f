"""The pipeline file: what a team declares for each model."""

from tidewheel.spec.load import find_pipeline, load_pipeline, pipeline_files, pipeline_schema
from tidewheel.spec.pipeline import LOWER_IS_BETTER, Pipeline

__all__ = ["LOWER_IS_BETTER", "Pipeline", "find_pipeline", "load_pipeline", "pipeline_files", "pipeline_schema"]
