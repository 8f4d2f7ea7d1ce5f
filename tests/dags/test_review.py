"""A person's review in Airflow: who is asked, what is shown, and what becomes of the answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from jinja2 import Template

from tests.dags.tasks_of import chain_of, command, given

if TYPE_CHECKING:
    from tests.dags.conftest import ReadDags


def test_a_reviewer_is_asked_only_where_the_gate_says_so_and_silence_is_a_no(read_dags: ReadDags) -> None:
    dag = read_dags("gate: {approval: manual, approval_timeout_hours: 1.5}\n").dags["orders.training"]
    assert chain_of(dag) == ["assemble", "train", "evaluate", "gate", "approve", "promote"]
    approve: Any = dag.get_task("approve")
    assert (approve.defaults, approve.response_timeout.total_seconds()) == (["Reject"], 5400)
    assert dag.doc_md is not None
    assert "1.5 hours" in dag.doc_md


def rendered(template: str, **pulled: Any) -> str:
    """A template as Airflow fills it in, over what tasks have returned."""
    return Template(template).render(ti=SimpleNamespace(xcom_pull=lambda task_ids: pulled[task_ids]))


def test_the_reviewer_sees_verdict_figures_and_links(read_dags: ReadDags) -> None:
    approve: Any = read_dags("gate: {approval: manual}\n").dags["orders.training"].get_task("approve")
    verdict = {
        "version": "3",
        "champion": "2",
        "sentence": "passed: log-loss 0.4801 against 0.5002",
        "figures": [["log_loss", 0.48012, 0.50018], ["roc_auc", 0.7, None]],
        "links": {"Report": "/tidewheel/lake/a.html", "Model card": "http://mlflow.example/card"},
    }
    assert rendered(approve.subject, gate=verdict) == "Make orders version 3 the champion?"
    body = rendered(approve.body, gate=verdict)
    for line in (
        "passed: log-loss 0.4801 against 0.5002",
        "| | version 3 | version 2 |",
        "| log_loss | 0.4801 | 0.5002 |",
        "| roc_auc | 0.7000 |  |",
        "- [Report](/tidewheel/lake/a.html)",
        "- [Model card](http://mlflow.example/card)",
    ):
        assert line in body.splitlines(), body


def test_the_reviewers_form_shares_no_field_with_the_runs(read_dags: ReadDags) -> None:
    dag = read_dags("gate: {approval: manual}\n").dags["orders.training"]
    approve: Any = dag.get_task("approve")
    assert set(approve.params) - set(dag.params) == {"review_reason"}
    assert list(approve.serialized_params) == ["review_reason"]


def test_what_the_reviewer_says_is_handed_to_promotion_and_silence_has_no_name(read_dags: ReadDags) -> None:
    dag = read_dags("gate: {approval: manual}\n").dags["orders.training"]

    def review(**pulled: Any) -> list[str]:
        return command(dag, "promote", ti=SimpleNamespace(xcom_pull=lambda task_ids: pulled[task_ids]))[1:]

    anna = {
        "chosen_options": ["Approve"],
        "responded_by_user": {"id": "1", "name": "anna"},
        "params_input": {"review_reason": "fine"},
    }
    nobody = {"chosen_options": ["Reject"], "responded_by_user": None, "params_input": {"review_reason": None}}
    assert review(approve=anna) == ["--review=approve", "--reviewer=anna", "--review-reason=fine"]
    assert review(approve=nobody) == ["--review=reject"]


def test_promotion_waits_for_no_review_where_nobody_is_asked(read_dags: ReadDags) -> None:
    promote = given(read_dags().dags["orders.training"], "promote")
    assert set(promote) == {"pipeline", "partition", "run_id", "actor"}
