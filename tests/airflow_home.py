"""Importing this gives Airflow a home of its own, so that no test reads or writes the one of whoever runs it."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from pathlib import Path

HOME = tempfile.mkdtemp(prefix="tidewheel-airflow-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)

# Airflow looks at these once, when it is imported; afterwards they are nobody's business, least of all the platform's
# that other tests start.
_settings = {
    "AIRFLOW_HOME": HOME,
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__PLUGINS_FOLDER": str(Path(__file__).parents[1] / "plugins"),
}
_before = {name: os.environ.get(name) for name in _settings}
os.environ.update(_settings)
try:
    import airflow.sdk  # noqa: F401
    from airflow import settings

    settings.initialize()
finally:
    for name, value in _before.items():
        if value is None:
            del os.environ[name]
        else:
            os.environ[name] = value
