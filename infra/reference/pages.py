"""The reference pages by file name."""

from __future__ import annotations

from infra.reference.commands import commands_page
from infra.reference.metrics import metrics_page
from infra.reference.pipeline import pipeline_page
from infra.reference.settings import settings_page


def reference_pages() -> dict[str, str]:
    """The text of each page of docs/reference, by file name."""
    return {
        "pipeline.md": pipeline_page(),
        "settings.md": settings_page(),
        "commands.md": commands_page(),
        "metrics.md": metrics_page(),
    }
