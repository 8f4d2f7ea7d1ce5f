"""The Airflow DAGs of the pipeline that `flight_delay.yaml` declares."""

from tidewheel.pipelines import pipeline_dags

globals().update(pipeline_dags(__file__))
