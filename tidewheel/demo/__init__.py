"""The demo: the real DAGs on real data, driven through Airflow's API and explained step by step."""
