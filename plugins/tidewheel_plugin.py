"""The Airflow plugin: the one module of this folder that Airflow imports by itself (see `.airflowignore`)."""

from __future__ import annotations

from typing import Any

from airflow.plugins_manager import AirflowPlugin

from plugins import night_trace, pools
from plugins.nightly import TIMETABLES
from tidewheel.console_route import CONSOLE_ROUTE


class TidewheelPlugin(AirflowPlugin):
    """Pages under `/tidewheel`, and the way to them in Airflow's menu."""

    name = "tidewheel"
    timetables = list(TIMETABLES.values())  # noqa: RUF012  Airflow wants plain lists
    listeners = [night_trace, pools]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Tidewheel",
            "href": f"{CONSOLE_ROUTE}/",
            "destination": "nav",
            # Not at the top: there, Airflow 3.3.2 draws a link to a page outside its own as a button that does nothing.
            # And not with a `url_route`: that is a frame which no link can leave.
            "category": "browse",
        }
    ]

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override]
        """The application; made when the API server asks, since every task loads this plugin too."""
        from plugins.web.app import app

        return [{"app": app, "url_prefix": CONSOLE_ROUTE, "name": "tidewheel"}]
