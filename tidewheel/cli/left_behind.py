"""What `status` and `validate` say of pipelines of which somebody has deleted or renamed the file alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tidewheel.retirement.rename import unfinished
from tidewheel.retirement.traces import undeclared, undeclared_sentence

if TYPE_CHECKING:
    from tidewheel.settings import Settings


def left_behind(settings: Settings) -> list[str]:
    """A sentence for each endpoint without a pipeline and each unfinished rename; the platform may be down."""
    from infra.embedded.layout import Layout
    from infra.local.endpoints import Endpoints

    begun = unfinished(settings)
    serving = [each.pipeline for each in Endpoints(Layout(settings.home)).all() if each.traffic.live is not None]
    left = [undeclared_sentence(name) for name in undeclared(settings, serving) if name not in begun]
    half = [f"{old} is half renamed: run `tidewheel rename {old} {new}` again" for old, new in begun.items()]
    return left + half
