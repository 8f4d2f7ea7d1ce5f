"""Pods that a cluster takes away or loses sight of: each is a sentence, and a retry gives the right result."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
import yaml
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from tests.cluster.tasks import at_work, running, task
from tests.conftest import wait_until
from tidewheel.settings import load_settings

if TYPE_CHECKING:
    from tests.cluster.conftest import S3, Installation
    from tests.cluster.kubernetes import Cluster

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900)]

LONG = "2026-01-01..2026-02-28"
HOST_PORT = 39123


def test_a_pod_that_is_evicted_is_a_sentence_and_runs_again(installation: Installation) -> None:
    land = task("land", days=LONG)
    waiting = land.begin()
    wait_until(lambda: running(installation), "the pod runs", 120)
    [name] = at_work(installation)
    installation.namespace.evict(name, grace_seconds=1)  # in the usual 30 it might finish its job
    with pytest.raises(AirflowException, match=rf"{name} of job land was (ended: Eviction|deleted before)") as lost:
        land.finish(waiting)
    assert "a retry of the task runs it again" in str(lost.value)
    assert not isinstance(lost.value, AirflowFailException)
    assert land.run()["figures"]["rows"] > 0


@pytest.fixture
def priorities(cluster: Cluster) -> Iterator[tuple[str, str]]:
    """A lower and a higher priority class, both below the other pods of the cluster: none of those gives way."""
    name = uuid4().hex[:8]
    classes = {f"lower-{name}": -20, f"higher-{name}": -10}
    for one, value in classes.items():
        cluster.scheduling.create_priority_class({"metadata": {"name": one}, "value": value})
    low, high = classes
    yield low, high
    for one in classes:
        cluster.scheduling.delete_priority_class(one)


def test_a_pod_that_is_preempted_is_a_sentence_and_runs_again(
    installation: Installation, priorities: tuple[str, str]
) -> None:
    lower, higher = priorities
    template = load_settings().job_pod_template
    assert template is not None
    pod = yaml.safe_load(template.read_text())
    pod["spec"] |= {"priorityClassName": lower, "terminationGracePeriodSeconds": 1}
    pod["spec"]["containers"][0]["ports"] = [{"containerPort": HOST_PORT, "hostPort": HOST_PORT}]
    template.write_text(yaml.safe_dump(pod))

    land = task("land", days=LONG)
    waiting = land.begin()
    wait_until(lambda: running(installation), "the pod runs", 120)
    [name] = at_work(installation)
    installation.namespace.start_idle_pod("urgent", higher, HOST_PORT)  # one port of a node is enough for one of them
    with pytest.raises(AirflowException, match=rf"{name} of job land was (ended: Preemption|deleted before)") as lost:
        land.finish(waiting)
    assert "reempt" in str(lost.value)
    assert not isinstance(lost.value, AirflowFailException)
    installation.namespace.delete_pod("urgent")
    assert land.run()["figures"]["rows"] > 0


def test_a_trigger_that_keeps_erring_leaves_the_pod_to_the_retry(installation: Installation) -> None:
    land = task("land", days=LONG)
    assert land.begin() is not None
    wait_until(lambda: running(installation), "the pod runs", 120)
    [name] = at_work(installation)
    event = {"status": "error", "name": name, "namespace": installation.namespace.name, "message": "no route to host"}
    with pytest.raises(AirflowException, match=rf"cannot watch pod .*/{name} of job land: no route to host"):
        land.resume_with(event | {"_redefer_count": 3})
    assert [pod.metadata.name for pod in installation.namespace.pods()] == [name]
    assert land.run()["figures"]["rows"] > 0
    assert land.pushed["pod_name"] == name


def test_a_lake_that_is_away_for_a_while_is_a_sentence_and_the_retry_lands_the_same(
    installation: Installation, s3_server: S3
) -> None:
    land = task("land", days=LONG)
    waiting = land.begin()
    wait_until(lambda: running(installation), "the pod runs", 120)
    with s3_server.away(), pytest.raises(AirflowException, match=r"land failed .* store does not answer: .*") as lost:
        land.finish(waiting)
    assert not isinstance(lost.value, AirflowFailException)
    again = land.run()
    assert again["figures"]["rows"] > 0
    assert again["figures"] == task("land", days=LONG).run()["figures"]
