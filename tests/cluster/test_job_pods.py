"""Jobs as pods of a real cluster: what they make, what each fault is called, and that none is at work twice."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tests.cluster.shop import CODE
from tests.cluster.tasks import DAY, at_work, running, staged, task
from tests.conftest import wait_until
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    from tests.cluster.conftest import Installation

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]


def test_a_day_is_landed_judged_and_turned_into_features_by_pods_that_share_only_the_lake(
    installation: Installation,
) -> None:
    landed = task("land").run()
    assert landed["figures"]["rows"] > 0
    assert task("validate", stage="raw").run()["figures"]["refused"] == 0
    features = task("features", resources={"cpu": 1, "memory": "2Gi"})
    features.run()
    assert features.operator is not None
    assert features.operator.outcome is not None
    assert features.operator.outcome.record is not None
    assert features.operator.outcome.record.code_version == "shop_pipeline"
    task("validate", stage="features").run()
    manifest = installation.lake.published("features", DAY)
    assert manifest is not None
    assert installation.lake.read(manifest).num_rows > 0
    assert at_work(installation) == []


GATE = "kueue.x-k8s.io/admission"
LARGE_DAY = """
import numpy as np
import pyarrow as pa

COLUMNS, ROWS, PARTS = 14, 200_000, 25


def orders(day):
    numbers = np.random.default_rng(0)
    keys = numbers.permutation(ROWS * PARTS)
    for part in range(PARTS):
        columns = {f"x{n}": numbers.integers(0, 100, ROWS) for n in range(COLUMNS)}
        key, moment = keys[part * ROWS : (part + 1) * ROWS], np.full(ROWS, np.datetime64(day, "us"))
        yield pa.table({"order_id": key, "ordered_at": moment, **columns})


def returns(day):
    yield pa.table({"order_id": [1], "returned": [0]})
"""


def test_a_day_larger_than_its_pods_memory_is_landed(installation: Installation) -> None:
    installation.namespace.change_project({f"{CODE}-reader.py": LARGE_DAY})
    memory = 512 << 20
    land = task("land", resources={"memory": "512Mi"})
    rows = land.run()["figures"]["rows"]
    assert rows == 5_000_000
    manifest = installation.lake.manifest("landing", DAY, staged(land)[DAY])
    assert rows * len(manifest.columns) * 8 > memory
    keys = installation.lake.read(manifest, ["order_id"])["order_id"].to_numpy()
    assert (keys == range(rows)).all()


def test_a_pod_that_is_deleted_in_the_middle_is_run_again_and_gives_the_same_bytes(installation: Installation) -> None:
    land = task("land", days="2026-01-01..2026-02-28")
    waiting = land.begin()
    wait_until(lambda: running(installation), "the pod runs", 120)
    [name] = at_work(installation)
    installation.namespace.delete_pod(name, grace_seconds=1)  # in the usual 30 it might finish its job
    with pytest.raises(
        AirflowException, match=rf"pod .*/{name} of job land was deleted before the job had ended"
    ) as lost:
        land.finish(waiting)
    assert not isinstance(lost.value, AirflowFailException)

    again = land.run()
    elsewhere = task("land", days="2026-01-01..2026-02-28").run()
    assert again["figures"] == elsewhere["figures"]
    assert again["figures"]["rows"] > 0


def test_a_worker_that_is_killed_while_its_pod_works_leaves_it_to_the_next_try(installation: Installation) -> None:
    land = task("land")
    assert land.begin() is not None  # and nobody ever resumes it
    [first] = at_work(installation)
    waiting = land.begin()
    assert at_work(installation) in ([first], [])
    assert [pod.metadata.name for pod in installation.namespace.pods()] == [first]
    assert land.finish(waiting)["figures"]["rows"] > 0


def test_a_worker_that_is_killed_before_it_wrote_down_its_pod_finds_it_by_its_labels(
    installation: Installation,
) -> None:
    land = task("land")
    assert land.begin() is not None
    [first] = [pod.metadata.name for pod in installation.namespace.pods()]
    land.stored.clear()
    land.run()
    assert land.pushed["pod_name"] == first


def test_a_retry_waits_for_the_end_of_a_pod_that_is_being_deleted(installation: Installation) -> None:
    land = task("land", days="2026-01-01..2026-02-28")
    assert land.begin() is not None
    wait_until(lambda: running(installation), "the pod runs", 120)
    [first] = at_work(installation)
    installation.namespace.delete_pod(first)
    waiting = land.begin()
    names = [pod.metadata.name for pod in installation.namespace.pods()]
    assert first not in names
    assert len(names) == 1
    assert land.finish(waiting)["figures"]["rows"] > 0


def test_a_job_with_too_little_memory_is_told_which_key_to_raise_and_not_tried_again(
    installation: Installation,
) -> None:
    with pytest.raises(
        AirflowFailException,
        match=r"pod .* of job land used more memory than its 48Mi and was killed \(OOMKilled\); raise memory under "
        r"resources\.land in dags/shop\.yaml",
    ):
        task("land", resources={"memory": "48Mi"}).run()
    assert at_work(installation) == []


def test_an_image_that_is_not_there_is_named(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEWHEEL_JOB_IMAGE", "localhost/never-pushed:1")
    with pytest.raises(
        AirflowException, match=r"its image localhost/never-pushed:1 cannot be pulled .*TIDEWHEEL_JOB_IMAGE"
    ):
        task("land").run()
    wait_until(lambda: at_work(installation) == [], "the pod is gone", 60)


def test_a_secret_that_is_missing_is_named_with_its_namespace(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_JOB_STARTUP_TIMEOUT_SECONDS", "5")
    installation.namespace.forget_secret("tidewheel")
    expected = rf'cannot start: secret "tidewheel" not found; create it in namespace {installation.namespace.name}'
    with pytest.raises(AirflowException, match=expected):
        task("land").run()
    wait_until(lambda: at_work(installation) == [], "the pod is gone", 60)


def test_a_pod_that_no_node_has_room_for_says_what_it_asks_for_and_what_the_nodes_lack(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_JOB_SCHEDULE_TIMEOUT_SECONDS", "5")
    with pytest.raises(AirflowException) as found:
        task("land", resources={"gpu": 16}).run()
    for words in ("found no node within 5 s", "Insufficient nvidia.com/gpu", "nvidia.com/gpu 16", "resources.land"):
        assert words in str(found.value)
    wait_until(lambda: at_work(installation) == [], "the pod is gone", 60)


def test_a_pod_starts_when_its_queue_admits_it(installation: Installation) -> None:
    hold_back()
    land = task("land")
    waiting = land.begin()
    [name] = at_work(installation)
    time.sleep(5)
    assert not running(installation)
    installation.namespace.admit(name)
    assert land.finish(waiting)["figures"]["rows"] > 0


def test_a_pod_that_its_queue_does_not_admit_says_which_gate_holds_it(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEWHEEL_JOB_SCHEDULE_TIMEOUT_SECONDS", "5")
    hold_back()
    with pytest.raises(
        AirflowException, match=rf"was not admitted within 5 s: {GATE} holds it back; .*resources\.land"
    ):
        task("land").run()
    wait_until(lambda: at_work(installation) == [], "the pod is gone", 60)


def hold_back() -> None:
    """Have the pod template hold pods back, as Kueue's webhook does with pods of a queue until it admits them."""
    template = load_settings().job_pod_template
    assert template is not None
    gates = f"spec:\n  schedulingGates: [{{name: {GATE}}}]\n"
    template.write_text(template.read_text().replace("spec:\n", gates, 1))


def test_a_quota_that_is_used_up_is_named(installation: Installation) -> None:
    installation.namespace.quota("few", **{"requests.memory": "1Mi"})
    with pytest.raises(
        AirflowException, match=r"no pod for job land .*exceeded quota: few, .*raise that ResourceQuota"
    ):
        task("land").run()


def test_an_account_that_may_not_create_pods_is_named_with_the_role_that_it_lacks(installation: Installation) -> None:
    installation.namespace.take_permissions_away()
    account = f"system:serviceaccount:{installation.namespace.name}:tidewheel-airflow"
    expected = rf'no pod for job land .*User "{account}" cannot .* Role of infra/kubernetes/jobs\.yaml'
    with pytest.raises(AirflowException, match=expected):
        task("land").run()


def test_an_account_that_a_pod_template_names_and_nobody_made_is_named(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = load_settings().job_pod_template
    assert template is not None
    template.write_text(template.read_text().replace("spec:\n", "spec:\n  serviceAccountName: nobody\n", 1))
    with pytest.raises(AirflowException, match=r'serviceaccount "nobody" not found; change the pod template'):
        task("land").run()
