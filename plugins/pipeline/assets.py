"""The assets through which a pipeline's DAGs start one another. An event is a hint: each DAG re-reads the truth."""

from __future__ import annotations

from collections.abc import Sequence

from airflow.sdk import Asset, AssetWatcher

from plugins.watcher import ChampionTrigger

GROUP = "tidewheel"


def features(pipeline: str) -> Asset:
    """A published feature partition; its events carry the day."""
    return _asset(pipeline, "features")


def predictions(pipeline: str) -> Asset:
    """A scored day, also where there was no champion to score it; its events carry the day."""
    return _asset(pipeline, "predictions")


def retrain(pipeline: str) -> Asset:
    """A request for a new challenger, from outside: `Create asset event` in the UI, or a POST to the API."""
    return _asset(pipeline, "retrain")


def champion(pipeline: str) -> Asset:
    """A champion that does not answer yet, by a promotion or by a reviewer in MLflow."""
    name = f"{pipeline}.champion"
    return _asset(pipeline, "champion", [AssetWatcher(name=name, trigger=ChampionTrigger(pipeline))])


def _asset(pipeline: str, name: str, watchers: Sequence[AssetWatcher] = ()) -> Asset:
    uri = f"tidewheel://{pipeline}/{name}"
    return Asset(name=f"{pipeline}.{name}", uri=uri, group=GROUP, watchers=list(watchers))
