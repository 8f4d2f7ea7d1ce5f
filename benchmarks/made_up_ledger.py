"""A ledger as months of nights leave it: figures, verdicts, versions, promotions and releases of a made-up pipeline."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

from sqlalchemy import insert

from benchmarks.made_up_past import MadeUp, answering_of, colour_of, night_of, promoted_of, run_of, versions_of
from benchmarks.made_up_probations import probations_of
from tidewheel.ledger import Ledger
from tidewheel.ledger.releases import Status
from tidewheel.ledger.tables import (
    EndpointRow,
    FigureRow,
    ModelVersionRow,
    PromotionRow,
    ReleaseRow,
    ReleaseStageRow,
    RetrainRequestRow,
    VerdictRow,
)
from tidewheel.ledger.training_tables import TrainingRow

STAGES = ("package", "start", "warm_up", "parity", "switch", "confirm", "bake", "drain", "retire")


def write_ledger(ledger: Ledger, story: MadeUp) -> None:
    """Write it all, in one transaction."""
    figures = list(_figures(story))
    with ledger.session() as session:
        for first in range(0, len(figures), 10_000):
            session.execute(insert(FigureRow), figures[first : first + 10_000])
        session.execute(insert(VerdictRow), list(_verdicts(story)))
        session.add_all(_models(story))
        for row, stages in _releases(story):
            session.add(row)
            session.flush()
            session.add_all(ReleaseStageRow(release_id=row.id, **stage) for stage in stages)
        session.add_all(probations_of(story))
        live = answering_of(story)[-1]
        endpoint = {"colour": colour_of(live), "version": live.number, "changed_at": night_of(live.day, 4.5)}
        session.add(EndpointRow(pipeline=story.name, previous_version=None, **endpoint))
        for version in versions_of(story)[1:]:
            session.add(
                RetrainRequestRow(
                    pipeline=story.name,
                    reason="fired: the champion is 21 days old",
                    day=str(version.day),
                    asked_at=night_of(version.day, 3.5),
                    closed_at=night_of(version.day, 4),
                    closed_by=run_of(version.day),
                )
            )


def _figures(story: MadeUp) -> Iterator[dict[str, Any]]:
    chance = random.Random(f"{story.name} {story.seed}")  # noqa: S311  nobody's secret
    champions = answering_of(story)
    moves = {column: 0.05 + 0.05 * chance.random() for column in story.columns}
    for number in range(story.days):
        day = story.newest - timedelta(days=story.days - 1 - number)
        champion = max((v for v in champions if v.day <= day), key=lambda v: v.day, default=champions[0])
        age, rows = max((day - champion.day).days, 0), 5_000 + 900 * math.sin(2 * math.pi * number / 7)
        world = 0.462 + 0.018 * math.sin(2 * math.pi * number / 365) + 0.006 * math.sin(2 * math.pi * number / 7)
        left = (story.newest - day).days
        excess = 0.0006 * age + (0.005 * max(9 - left, 0) if story.falling else 0)
        at = night_of(day, 3.5)
        base = {"pipeline": story.name, "partition": str(day), "measured_at": at}
        loss = world + excess + chance.gauss(0, 0.006)
        if left >= 1:  # the newest day's labels are not known yet
            whole = {
                "log_loss": loss,
                "roc_auc": 0.77 - excess,
                "brier": loss / 3.1,
                "pr_auc": 0.58 - excess,
                "accuracy": 0.79 - excess / 2 + chance.gauss(0, 0.004),
                "precision": 0.61 - excess + chance.gauss(0, 0.01),
                "recall": 0.47 - excess + chance.gauss(0, 0.01),
                "f1": 0.53 - excess + chance.gauss(0, 0.01),
                "expected_cost": 0.31 + excess + chance.gauss(0, 0.005),
                "selection_rate": 0.18 + chance.gauss(0, 0.004),
                "false_positive_rate": 0.09 + chance.gauss(0, 0.004),
                "false_negative_rate": 0.53 + excess + chance.gauss(0, 0.01),
                "calibration_error": 0.012 + excess,
                "rows": rows,
                "bias": chance.gauss(0, 0.01),
                "expected_log_loss": world,
                "excess_log_loss": loss - world,
                "pooled_excess_loss": excess + chance.gauss(0, 0.0012),
                "pooled_excess_loss_error": 0.0032 + 0.0008 * chance.random(),
            }
            yield from (
                {**base, "slice": "", "version": champion.number, "name": n, "value": v} for n, v in whole.items()
            )
            for place, part in enumerate(story.slices):
                of = {
                    "log_loss": loss + 0.015 * (place - 2) + chance.gauss(0, 0.01),
                    "rows": rows / 6,
                    "bias": 0.004 * place,
                }
                yield from (
                    {**base, "slice": part, "version": champion.number, "name": n, "value": v} for n, v in of.items()
                )
            gaps = {"gap_bias": 0.02 + 0.01 * chance.random(), "gap_log_loss": 0.06 + 0.02 * chance.random()}
            for rate, usual in (("selection_rate", 0.05), ("recall", 0.09), ("false_positive_rate", 0.03)):
                gap = usual + 0.02 * chance.random()
                gaps |= {f"gap_{rate}": gap, f"gap_{rate}_low": gap - 0.025, f"gap_{rate}_high": gap + 0.025}
            for column in {part.partition("=")[0] for part in story.slices}:
                yield from (
                    {**base, "slice": column, "version": champion.number, "name": n, "value": v}
                    for n, v in gaps.items()
                )
        estimate = {"estimated_log_loss": world + chance.gauss(0, 0.003), "mean_prediction": 0.21}
        yield from (
            {**base, "slice": "", "version": champion.number, "name": n, "value": v} for n, v in estimate.items()
        )
        beyond = 0
        for place, column in enumerate(story.columns):
            moves[column] = max(0.7 * moves[column] + 0.3 * abs(chance.gauss(0.07, 0.05)), 0.005)
            value, limit = moves[column], 0.16 + 0.01 * (place % 7)
            if story.drifting and left < 10 and place in (3, 7):
                value = limit * (1.2 + 0.2 * (10 - left))
            beyond += value > limit
            of = {"feature_drift": value, "feature_drift_limit": limit, "missing_share": 0.01}
            yield from ({**base, "slice": column, "version": "", "name": n, "value": v} for n, v in of.items())
        drift = {
            "prediction_drift": abs(chance.gauss(0.03, 0.02)),
            "prediction_drift_limit": 0.12,
            "drifted_columns": beyond,
        }
        yield from ({**base, "slice": "", "version": "", "name": n, "value": v} for n, v in drift.items())


def _verdicts(story: MadeUp) -> Iterator[dict[str, Any]]:
    versions = versions_of(story)
    for number in range(story.days):
        day = story.newest - timedelta(days=story.days - 1 - number)
        age = min(((day - version.day).days for version in versions if version.day <= day), default=0)
        left = (story.newest - day).days
        outcome, due = "no_action", []
        words = f"nothing calls for a training (the champion is {age} of 21 days old)"
        if any(version.day == day for version in versions):
            outcome, due, words = "fired", ["staleness"], "the champion is 21 days old, and 21 may pass"
        elif story.falling and left < 6:
            outcome, due = "suppressed", ["performance"]
            words = (
                f"excess loss {0.004 * (9 - left):.4f} over 14 days, t {4.1 - left / 3:.1f}, at least 0.0096 and 2.5 "
                f"but the budget is used up (one fit in 21 days, at most 2 saved): the next in {left + 3} days"
            )
        yield _verdict(story, day, ("trigger", str(day)), outcome, words, {"due": due, "age_days": age})
        fired = story.drifting and left < 8
        words = "discount 0.61, channel 0.44 beyond 0.21; 31% of the importances" if fired else "no column has drifted"
        yield _verdict(story, day, ("drift", str(day)), "fired" if fired else "no_action", words, {})
        for stage in ("raw", "features", "predictions"):
            yield _verdict(story, day, ("validation", f"{stage}/{day}"), "passed", "8 expectations hold", {})
    for number, version in enumerate(versions):
        gain = 0.0011 * (1 + number % 5)
        outcome = "passed" if version.passed else "refused"
        words = (
            f"version {version.number} is better: log-loss {0.474 - gain:.4f} against 0.4740, at least "
            f"{gain / 3:.4f} with 95%"
            if version.passed
            else f"version {version.number} may be worse: log-loss 0.4752 against 0.4740, up to 0.0041 with 95%"
        )
        about = f"version {version.number}"
        yield _verdict(story, version.day, ("gate", about), outcome, words, {"version": version.number})


def _verdict(
    story: MadeUp, day: date, about: tuple[str, str], outcome: str, words: str, inputs: dict[str, Any]
) -> dict[str, Any]:
    kind, subject = about
    return {
        "pipeline": story.name,
        "kind": kind,
        "subject": subject,
        "run_id": run_of(day),
        "outcome": outcome,
        "sentence": f"{outcome.replace('_', ' ')}: {words}",
        "inputs": inputs,
        "thresholds": {},
        "actor": "",
        "decided_at": night_of(day, 3.6 if kind == "gate" else 3.4),
    }


def _models(story: MadeUp) -> Iterator[ModelVersionRow | PromotionRow | TrainingRow]:
    versions = versions_of(story)
    for number, version in enumerate(versions):
        yield TrainingRow(
            pipeline=story.name,
            requested_by="routine" if number else "",
            requested_day=str(version.day) if number else None,
            requested_at=night_of(version.day, 3.5) if number else None,
            run_id=run_of(version.day),
            as_of=str(version.day),
            window_start=str(version.day - timedelta(days=200)),
            window_end=str(version.day),
            fits=2,
            seconds=10.0,
            cpu_seconds=25.0,
            gpu_seconds=0.0,
            version=version.number,
            outcome="passed" if version.passed else "refused",
            gain=0.0023 if version.passed else -0.0025,
            opened_at=night_of(version.day, 3.5),
            closed_at=night_of(version.day, 4),
        )
        yield ModelVersionRow(
            pipeline=story.name,
            version=version.number,
            mlflow_run=f"r{version.number}",
            source=f"models:/m-{version.number}",
            run_id=run_of(version.day),
            data_hash="d",
            as_of=str(version.day),
            train_start=str(version.day - timedelta(days=200)),
            train_end=str(version.day),
            refit="the holdout joined the training data",
            estimator="xgboost",
            files={},
            importances={},
            bento={},
            compared_with=None,
            created_by="airflow",
            created_at=night_of(version.day, 4),
        )
    promoted = promoted_of(story)
    for before, version in zip([None, *promoted], promoted, strict=False):
        yield PromotionRow(
            pipeline=story.name,
            version=version.number,
            previous_version=before.number if before else "",
            reason="",
            actor="airflow",
            run_id=run_of(version.day),
            promoted_at=night_of(version.day, 4.2),
        )


def _releases(story: MadeUp) -> Iterator[tuple[ReleaseRow, list[dict[str, Any]]]]:
    promoted = promoted_of(story)
    for version in promoted:
        failed = story.rolled_back and version is promoted[-1]
        began = night_of(version.day, 4.3)
        reached = STAGES[: STAGES.index("bake") + 1] if failed else STAGES
        stages = [
            {
                "position": place,
                "name": name,
                "status": Status.FAILED if failed and name == "bake" else Status.DONE,
                "detail": {},
                "started_at": began + timedelta(seconds=9 * place),
                "ended_at": began + timedelta(seconds=9 * place + 8),
            }
            for place, name in enumerate(reached)
        ]
        reason = "bake: 11 of 207 requests to the new version failed (5.3%, 0.0% of the old one), 1.0% more are allowed"
        yield (
            ReleaseRow(
                pipeline=story.name,
                version=version.number,
                colour=colour_of(version),
                plan={"stages": []},
                status=Status.FAILED if failed else Status.DONE,
                reason=reason if failed else "",
                run_id=run_of(version.day),
                started_at=began,
                ended_at=began + timedelta(minutes=2),
            ),
            stages,
        )
