"""The options of every job, declared once: the command line, the terminal and Airflow derive theirs from here.

`option` says what an option is, `jobs` declares those of each job, `validation` reads values and refuses bad ones in
one sentence each, and `command_line` goes to and from arguments.
"""

from __future__ import annotations

from tidewheel.options.jobs import (
    AdoptOptions,
    AssembleOptions,
    CompactOptions,
    EraseOptions,
    EvaluateOptions,
    FeaturesOptions,
    LandOptions,
    LoadOptions,
    MonitorOptions,
    PackageOptions,
    PromoteOptions,
    ReleaseOptions,
    ReplayOptions,
    RequestsOptions,
    Review,
    Reviewed,
    ReviewOptions,
    ScoreOptions,
    TrainOptions,
    ValidateOptions,
    ValidationStage,
)
from tidewheel.options.option import JobOptions, Option, RunOptions
from tidewheel.options.validation import parse_options

__all__ = [
    "AdoptOptions",
    "AssembleOptions",
    "CompactOptions",
    "EraseOptions",
    "EvaluateOptions",
    "FeaturesOptions",
    "JobOptions",
    "LandOptions",
    "LoadOptions",
    "MonitorOptions",
    "Option",
    "PackageOptions",
    "PromoteOptions",
    "ReleaseOptions",
    "ReplayOptions",
    "RequestsOptions",
    "Review",
    "ReviewOptions",
    "Reviewed",
    "RunOptions",
    "ScoreOptions",
    "TrainOptions",
    "ValidateOptions",
    "ValidationStage",
    "parse_options",
]
