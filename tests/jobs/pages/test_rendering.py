"""Pages: one frame, and what others wrote is text."""

from __future__ import annotations

from pathlib import Path

import pytest
from jinja2 import UndefinedError

from jobs.pages.rendering import render_page


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A room with one template."""
    body = "{{ words }} {{ loss | figure }} {{ rows | grouped }}"
    (tmp_path / "night.html").write_text('{% extends "page.html" %}{% block content %}' + body + "{% endblock %}")
    return tmp_path


def test_a_page_stands_in_the_shared_frame_and_loads_nothing(templates: Path) -> None:
    page = render_page(templates, "night.html", words="a night", loss=0.12345, rows=12345)
    assert page.startswith("<!doctype html>")
    assert "a night 0.1235 12,345" in page
    assert "prefers-color-scheme: dark" in page
    assert not any(loads in page for loads in ("http", "<script", "<link", "src=", "url("))


def test_what_others_wrote_is_text_and_an_unknown_figure_a_dash(templates: Path) -> None:
    page = render_page(templates, "night.html", words="<b>", loss=float("nan"), rows=0)
    assert "&lt;b&gt; - 0" in page


def test_a_fact_that_was_forgotten_is_an_error(templates: Path) -> None:
    with pytest.raises(UndefinedError, match="words"):
        render_page(templates, "night.html", loss=None, rows=0)
