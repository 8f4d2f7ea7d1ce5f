"""Who a job says has started it, as Airflow's own model of a run renders it."""

from types import SimpleNamespace

import pytest
from airflow.sdk.api.datamodels._generated import DagRunType
from jinja2 import Template

from plugins.operators.command import ACTOR


@pytest.mark.parametrize(
    ("user", "kind", "actor"),
    [
        (None, DagRunType.ASSET_TRIGGERED, "nobody (Airflow, asset_triggered)"),
        ("ada", DagRunType.MANUAL, "ada (Airflow, manual)"),
    ],
)
def test_the_actor_is_the_user_and_the_kind_of_run(user: str | None, kind: DagRunType, actor: str) -> None:
    run = SimpleNamespace(triggering_user_name=user, run_type=kind)
    assert Template(ACTOR).render(dag_run=run) == actor
