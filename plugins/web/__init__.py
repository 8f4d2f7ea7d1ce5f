"""Pages of our own in Airflow's API server: the overview of all pipelines, and what jobs left in the lake."""
