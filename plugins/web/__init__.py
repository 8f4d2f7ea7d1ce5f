"""The console in Airflow's API server: all pipelines, each of them, and what jobs left in the lake."""
