"""The result of a validation as a page that a person can read: one file, no scripts, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from jobs.data.expectations import Finding
from tidewheel.lake import Manifest

_pages = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def batch_page(manifest: Manifest, source: str, findings: Sequence[Finding], *, published: bool) -> str:
    """What was found in one batch, broken rules first."""
    page = _pages.get_template("validation_batch.html")
    return page.render(manifest=manifest, source=source, findings=findings, published=published)


def overview_page(pipeline: str, stage: str, partitions: str, batches: Sequence[tuple[Manifest, bool, str]]) -> str:
    """All batches of a run that judged many: manifest, whether it was published, and the sentence about it."""
    page = _pages.get_template("validation_overview.html")
    return page.render(pipeline=pipeline, stage=stage, partitions=partitions, batches=batches)
