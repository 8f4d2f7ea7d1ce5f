"""What the Helm chart's pods run beside Airflow and MLflow themselves."""
