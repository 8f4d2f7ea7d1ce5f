"""Where Airflow's API server shows the console."""

CONSOLE_ROUTE = "/tidewheel"
