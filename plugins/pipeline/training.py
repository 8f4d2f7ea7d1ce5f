"""`<name>.training`: train a challenger, judge it against the champion, promote the better."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import DAG, chain

from plugins.operators.command import ACTOR, JobCommand
from plugins.operators.decisions import VerdictGate
from plugins.operators.job_task import job_task
from plugins.pipeline import assets, forms
from plugins.pipeline.declared import LONG, RunTimes, declared_dag
from plugins.pipeline.partition import PARTITION, newest_features
from tidewheel.options import AssembleOptions, EvaluateOptions, PromoteOptions, TrainOptions
from tidewheel.partitions import Partitioning
from tidewheel.quantities import quantity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import BaseOperator

    from tidewheel.options import JobOptions
    from tidewheel.settings import Settings
    from tidewheel.spec import Pipeline

# An event of the asset `retrain` is a person's request, as the switch in the form is.
FORCED = "{{ params.force or dag_run.run_type == 'asset_triggered' }}"
REVIEW = """\
{% set verdict = ti.xcom_pull(task_ids='gate') %}
{{ verdict['sentence'] }}

| | version {{ verdict['version'] }} | {{ 'version %s' % verdict['champion'] if verdict['champion'] else '' }} |
|---|---|---|
{% for name, challenger, champion in verdict['figures'] -%}
| {{ name }} | {{ '%.4f' % challenger }} | {{ '%.4f' % champion if champion is not none else '' }} |
{% endfor %}
{% for title, address in verdict['links'].items() -%}
- [{{ title }}]({{ address }})
{% endfor %}
Approve to make it the champion, which releases it. Reject to keep the champion.
"""
ANSWER = "ti.xcom_pull(task_ids='approve')"
REVIEWED = {
    "review": f"{{{{ {ANSWER}['chosen_options'][0] | lower }}}}",
    "reviewer": f"{{{{ ({ANSWER}['responded_by_user'] or {{}}).get('name', '') }}}}",
    "review_reason": f"{{{{ {ANSWER}['params_input'].get('review_reason') or '' }}}}",
}


def training_dag(pipeline: Pipeline, settings: Settings) -> DAG:
    """The DAG that trains."""

    def command(model: type[JobOptions], options: Mapping[str, str] | None = None, actor: str = "") -> JobCommand:
        return JobCommand(model, pipeline.name, PARTITION, options or {}, actor)

    reviewed = pipeline.gate.approval == "manual"
    with declared_dag(
        pipeline,
        "training",
        settings,
        # The calendar is a reason among others: monitoring weighs it every night, so that its restraints hold.
        times=RunTimes(
            [assets.retrain(pipeline.name)], newest_features(pipeline.name, AssembleOptions.job, pipeline.block)
        ),
        params={
            "as_of": forms.optional_day(
                "As of",
                "Train with what was known on this day (UTC), for example 2013-02-28"
                f"{', the Monday of a week' if pipeline.block is Partitioning.WEEK else ''}. "
                f"Empty: the newest {pipeline.block} with published features.",
            ),
            **forms.fields(AssembleOptions),
            "reason": forms.optional_text("Reason", "Why now; stored with the run."),
        },
        guide={
            "calendar": f"calendar `{pipeline.triggers.calendar}` (UTC)"
            if pipeline.triggers.calendar
            else "no calendar",
            "approval": _approval_words(pipeline),
        },
    ) as dag:
        chain(
            job_task(
                "assemble",
                command(AssembleOptions, {"force": FORCED}),
                pipeline,
                settings,
                links=["Training data, by hash"],
            ),
            job_task(
                "train",
                command(TrainOptions),
                pipeline,
                settings,
                links=["MLflow run", "MLflow model"],
                execution_timeout=LONG,
            ),
            job_task(
                "evaluate",
                command(EvaluateOptions),
                pipeline,
                settings,
                links=["Report", "Model card", "MLflow run"],
                execution_timeout=LONG,
            ),
            VerdictGate(task_id="gate", pipeline=pipeline.name, job=EvaluateOptions.job, trained_by=TrainOptions.job),
            *([_approve(pipeline)] if reviewed else []),
            # No outlet: the registry is watched, and a promotion is seen there like any other move of the alias.
            job_task(
                "promote",
                command(PromoteOptions, REVIEWED if reviewed else {}, ACTOR),
                pipeline,
                settings,
                links=["MLflow model"],
            ),
        )
    return dag


def _approve(pipeline: Pipeline) -> BaseOperator:
    from airflow.providers.standard.operators.hitl import ApprovalOperator, HITLOperator

    # Not ApprovalOperator itself: it skips what follows a rejection, and `promote` is to write the rejection down.
    return HITLOperator(
        task_id="approve",
        subject=f"Make {pipeline.name} version {{{{ ti.xcom_pull(task_ids='gate')['version'] }}}} the champion?",
        body=REVIEW,
        options=[ApprovalOperator.APPROVE, ApprovalOperator.REJECT],
        defaults=ApprovalOperator.REJECT,  # no answer is a rejection
        # Not `reason`: what the run's own form holds under that name would be put into this one.
        params=forms.fields(PromoteOptions),
        response_timeout=timedelta(hours=pipeline.gate.approval_timeout_hours),
        execution_timeout=None,
    )


def _approval_words(pipeline: Pipeline) -> str:
    if pipeline.gate.approval == "automatic":
        return "A challenger that passes the gate is promoted without asking anybody (`gate.approval: automatic`)."
    return (
        "A challenger that passes the gate waits in **approve** for a reviewer (*Required actions* in the menu); "
        f"no answer within {quantity(pipeline.gate.approval_timeout_hours, 'hour')} is a rejection."
    )
