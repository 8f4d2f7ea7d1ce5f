"""The assets through which a pipeline's DAGs start one another. An event is a hint: each DAG re-reads the truth."""

from __future__ import annotations

from airflow.sdk import Asset

GROUP = "tidewheel"


def features(pipeline: str) -> Asset:
    """A published feature partition; its events carry the day."""
    return _asset(pipeline, "features")


def predictions(pipeline: str) -> Asset:
    """A scored day, also where there was no champion to score it; its events carry the day."""
    return _asset(pipeline, "predictions")


def retrain(pipeline: str) -> Asset:
    """A wish for a new challenger, from outside: `Create asset event` in the UI, or a POST to the API."""
    return _asset(pipeline, "retrain")


def champion(pipeline: str) -> Asset:
    """The champion alias has moved."""
    return _asset(pipeline, "champion")


def _asset(pipeline: str, name: str) -> Asset:
    return Asset(name=f"{pipeline}.{name}", uri=f"tidewheel://{pipeline}/{name}", group=GROUP)
