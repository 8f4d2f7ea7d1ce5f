"""Pages are Jinja templates that stand beside the code of their room, within the frame that all pages share."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tidewheel.unknown import is_unknown

FRAME = Path(__file__).with_name("templates")


def render_page(templates: Path, name: str, **facts: object) -> str:
    """Fill in a template; whatever stands in the facts is text on the page, never HTML.

    Args:
        templates: the folder of the room's templates, which extend `page.html`.
        name: file name of the template.
        facts: what it shows.

    Returns:
        HTML.
    """
    return _environment(templates).get_template(name).render(**facts)


@cache
def _environment(templates: Path) -> Environment:
    environment = Environment(
        loader=FileSystemLoader([templates, FRAME]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"figure": _figure, "grouped": "{:,}".format}
    return environment


def _figure(value: float | None) -> str:
    """Four digits, or a dash for what is not known."""
    return "-" if is_unknown(value) else f"{value:.4f}"
