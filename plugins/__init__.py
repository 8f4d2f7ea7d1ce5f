"""How Airflow runs and shows a pipeline: the DAG factory, the operators that start jobs, the pages in Airflow's UI."""
