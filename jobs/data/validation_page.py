"""The result of a validation as a page that a person can read: one file, no scripts, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jobs.data.expectations import ExpectationResult
from jobs.pages.rendering import render_page
from tidewheel.lake import Manifest

TEMPLATES = Path(__file__).with_name("templates")


def batch_page(manifest: Manifest, source: str, findings: Sequence[ExpectationResult], *, published: bool) -> str:
    """What was found in one batch, broken rules first."""
    return render_page(
        TEMPLATES, "validation_batch.html", manifest=manifest, source=source, findings=findings, published=published
    )


def overview_page(pipeline: str, stage: str, partitions: str, batches: Sequence[tuple[Manifest, bool, str]]) -> str:
    """All batches of a run that judged many: manifest, whether it was published, and the sentence about it."""
    return render_page(
        TEMPLATES, "validation_overview.html", pipeline=pipeline, stage=stage, partitions=partitions, batches=batches
    )
