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

import httpx
import pytest
import yaml
from rich.console import Console

from tests.cluster.chart import PIPELINE_FILE, Installation
from tests.conftest import wait_until
from tests.json_rows import json_rows
from tidewheel.demo.display import Display
from tidewheel.demo.follow import Follower
from tidewheel.demo.story import DAGS, PIPELINE
from tidewheel.lake import Lake
from tidewheel.partitions import PartitionRange
from tidewheel.settings import Settings
from tidewheel.spec import load_pipeline

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3000)]

HISTORY = PartitionRange(date(2013, 1, 1), date(2013, 1, 24))
NIGHT = "2013-01-25"
MADE = (
    "deployments,services,horizontalpodautoscalers,poddisruptionbudgets,httproutes,httproutefilters,"
    "backendtrafficpolicies,secrets"
)
"""What releases leave behind, as docs/how-to/install-the-chart.md lists it."""
logger = logging.getLogger(__name__)


@pytest.fixture
def endpoint_url(installed: Installation) -> Iterator[str]:
    """Where the pipeline's endpoint will be; afterwards nothing of it is left, and no DAG runs."""
    serving = yaml.safe_load(installed.values.read_text(encoding="utf-8"))["serving"]
    if not serving["enabled"]:
        pytest.skip("the cluster has no Gateway to release to: docs/how-to/serve-on-kubernetes.md says how to have one")
    yield f"{serving['url']}/{PIPELINE}"
    with installed.airflow() as api:
        for name in DAGS:
            api.end_runs(f"{PIPELINE}.{name}")
    selector = "app.kubernetes.io/component=model"
    command = ["kubectl", "--namespace", installed.namespace, "delete", "--selector", selector, MADE]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wait_until(lambda: installed.pods(selector) == [], "the model's pods are gone", 120)


def test_a_model_is_trained_in_pods_released_through_the_gateway_and_answers_as_the_nights_batch(
    installed: Installation, endpoint_url: str, tmp_path: Path
) -> None:
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

    lake = _lake(installed, tmp_path)
    columns = load_pipeline(PIPELINE_FILE).features.columns
    features = lake.read(lake.need("features", NIGHT)).to_pandas().set_index("flight_id")
    offline = lake.read(lake.need("predictions", NIGHT)).to_pandas().set_index("flight_id")
    asked = features.loc[features.index[:100], columns]
    answer = (
        httpx.post(f"{endpoint_url}/predict", json={"rows": json_rows(asked)}, timeout=30).raise_for_status().json()
    )
    assert answer["model_version"] == "1"
    assert answer["predictions"] == pytest.approx(list(offline.loc[asked.index, "prediction"]), abs=1e-5)


def _lake(installed: Installation, home: Path) -> Lake:
    options = json.loads(installed.secret("tidewheel")["TIDEWHEEL_LAKE_OPTIONS"])
    options["endpoint_url"] = installed.address("tidewheel-s3")
    return Lake.open(PIPELINE, Settings(home=home, lake_url="s3://tidewheel/lake", lake_options=options))
