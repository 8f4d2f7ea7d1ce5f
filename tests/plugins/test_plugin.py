"""Airflow finds one plugin in the folder, and imports nothing else of it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from airflow._shared.module_loading import find_path_from_directory

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning")  # Airflow's own
def test_airflow_imports_one_module_of_the_plugins_folder() -> None:
    found = [Path(path) for path in find_path_from_directory(str(PLUGINS), ".airflowignore", "glob")]
    assert [path.name for path in found if path.suffix == ".py"] == ["tidewheel_plugin.py"]


def test_the_plugin_leads_to_its_pages_and_costs_a_task_no_web_framework() -> None:
    loaded = set(sys.modules)
    from plugins.tidewheel_plugin import TidewheelPlugin

    assert not {"fastapi", "plugins.web.app"} & (set(sys.modules) - loaded)
    plugin = TidewheelPlugin()
    (page,) = plugin.external_views
    (mounted,) = plugin.fastapi_apps
    assert page["href"].startswith(mounted["url_prefix"])
    assert mounted["app"].title == "Tidewheel"
