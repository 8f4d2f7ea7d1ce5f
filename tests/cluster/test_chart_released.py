"""The loop on the cluster, all of it by the chart: history, a model, its release, and a night that scores with it."""

from __future__ import annotations

import json
import logging
import subprocess
import time
from collections.abc import Iterator
from datetime import date
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
import yaml
from rich.console import Console

from tests.cluster.chart import PIPELINE_FILE, Installation
from tests.cluster.nights import PodLog, end, start
from tests.cluster.serving import asking
from tests.conftest import wait_until
from tests.json_rows import json_rows
from tidewheel.demo.display import Display
from tidewheel.demo.follow import Follower
from tidewheel.demo.story import DAGS, PIPELINE
from tidewheel.lake import Lake
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings
from tidewheel.spec import load_pipeline

if TYPE_CHECKING:
    import pandas as pd

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3000)]

HISTORY = PartitionRange(date(2013, 1, 1), date(2013, 1, 24))
NIGHT, NEXT_NIGHT = "2013-01-25", "2013-01-26"
MADE = (
    "deployments,services,horizontalpodautoscalers,poddisruptionbudgets,httproutes,httproutefilters,"
    "backendtrafficpolicies,secrets"
)
"""What releases leave behind, as docs/how-to/install-the-chart.md lists it."""
logger = logging.getLogger(__name__)


@pytest.fixture(scope="module")
def endpoint_url(installed: Installation) -> Iterator[str]:
    """Where the pipeline answers, after its loop; afterwards nothing of it is left, and no DAG runs."""
    serving = yaml.safe_load(installed.values.read_text(encoding="utf-8"))["serving"]
    if not serving["enabled"]:
        pytest.skip("the cluster has no Gateway to release to: docs/how-to/serve-on-kubernetes.md says how to have one")
    try:
        play(installed)
        yield f"{serving['url']}/{PIPELINE}"
    finally:
        with installed.airflow() as api:
            for name in DAGS:
                api.end_runs(f"{PIPELINE}.{name}")
        selector = "app.kubernetes.io/component=model"
        command = ["kubectl", "--namespace", installed.namespace, "delete", "--selector", selector, MADE]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wait_until(lambda: installed.pods(selector) == [], "the model's pods are gone", 120)


def play(installed: Installation) -> None:
    """History, a first model that is released, and a night that scores with it."""
    screen, began = StringIO(), time.monotonic()
    with installed.airflow() as api:
        follower = Follower(api, Display(Console(file=screen, width=200)))
        for name in DAGS:
            api.wait_for_dag(f"{PIPELINE}.{name}", 300)
            api.unpause(f"{PIPELINE}.{name}")
        conf = {"first": HISTORY.first.isoformat(), "last": HISTORY.last.isoformat()}
        follower.run(f"{PIPELINE}.features", "loop__history", conf=conf)
        follower.run(f"{PIPELINE}.training", "loop__first_model", conf={"as_of": conf["last"], "reason": "the first"})
        follower.started_by_event(f"{PIPELINE}.release")
        logger.info("released after %.0f s", time.monotonic() - began)
        follower.run(f"{PIPELINE}.features", "loop__night", partition_key=NIGHT)
        for name in ("scoring", "monitoring"):
            follower.started_by_event(f"{PIPELINE}.{name}", lambda run: run.partition_key == NIGHT)
    logger.info("the loop took %.0f s", time.monotonic() - began)


def test_a_model_trained_in_pods_and_released_through_the_gateway_answers_as_the_nights_batch(
    installed: Installation, endpoint_url: str, tmp_path: Path
) -> None:
    lake = _lake(installed, tmp_path)
    offline = lake.read(lake.need("predictions", NIGHT)).to_pandas().set_index("flight_id")
    asked = _rows(lake, 100)
    answer = (
        httpx.post(f"{endpoint_url}/predict", json={"rows": json_rows(asked)}, timeout=30).raise_for_status().json()
    )
    assert answer["model_version"] == "1"
    assert answer["predictions"] == pytest.approx(list(offline.loc[asked.index, "prediction"]), abs=1e-5)


def test_while_postgresql_is_away_the_endpoint_answers_on_and_the_night_comes_to_its_end(
    installed: Installation, endpoint_url: str, tmp_path: Path
) -> None:
    [row] = json_rows(_rows(_lake(installed, tmp_path), 1))
    with asking(endpoint_url, row) as callers:
        night = start(installed, NEXT_NIGHT)
        log = PodLog(installed, night)
        wait_until(lambda: log.look() != [], "a pod is at work", 180)
        before = len(callers.answered)
        installed.kill("postgresql")
        assert len(callers.answered) > before
        assert end(installed, night, 900).state == "success"
    logger.info("%d requests answered meanwhile", len(callers.answered))
    assert callers.refused == []


def _rows(lake: Lake, number: int) -> pd.DataFrame:
    """The model's columns of the night's first rows, by their key."""
    features = lake.read(lake.need("features", NIGHT)).to_pandas().set_index("flight_id")
    return features.loc[features.index[:number], load_pipeline(PIPELINE_FILE).features.columns]


def _lake(installed: Installation, home: Path) -> Lake:
    options = json.loads(installed.secret("tidewheel")["TIDEWHEEL_LAKE_OPTIONS"])
    options["endpoint_url"] = installed.address("tidewheel-s3")
    return Lake.open(PIPELINE, Settings(home=home, lake_url="s3://tidewheel/lake", lake_options=options))
