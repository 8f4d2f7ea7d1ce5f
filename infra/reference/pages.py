"""The generated pages by their path below docs."""

from __future__ import annotations

from pathlib import Path

from infra.reference.commands import commands_page
from infra.reference.decisions import decisions_page
from infra.reference.metrics import metrics_page
from infra.reference.pipeline import pipeline_page
from infra.reference.settings import settings_page

DOCS = Path(__file__).parents[2] / "docs"


def reference_pages(docs: Path = DOCS) -> dict[str, str]:
    """The text of each generated page, by its path below docs.

    Args:
        docs: folder of the documentation; the records of decisions are read from it.
    """
    return {
        "reference/pipeline.md": pipeline_page(),
        "reference/settings.md": settings_page(),
        "reference/commands.md": commands_page(),
        "reference/metrics.md": metrics_page(),
        "adr/README.md": decisions_page(docs / "adr"),
    }
