"""Where Airflow's API server shows the console."""

from urllib.parse import quote

CONSOLE_ROUTE = "/tidewheel"


def pipeline_page(pipeline: str) -> str:
    """The console's page of a pipeline, below Airflow's address."""
    return f"{CONSOLE_ROUTE}/pipeline/{quote(pipeline)}"


def drift_report_page(pipeline: str, day: str) -> str:
    """Evidently's page of a day, below Airflow's address; a day whose page could not be drawn has none."""
    return f"{CONSOLE_ROUTE}/lake/{quote(pipeline)}/reports/{quote(day)}/drift.html"
