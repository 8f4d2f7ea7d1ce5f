"""Gathers the front page: ledger, lake, registry and Airflow are read at once, none longer than a page may take."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from plugins.registry import gone_words, registered_aliases, run_is_deleted
from plugins.web import answers
from plugins.web.airflow_runs import AirflowState, airflow_state
from plugins.web.answers import AIRFLOW, LAKE, LEDGER, QUESTIONS_AT_ONCE, REGISTRY, Answers
from plugins.web.attention import PipelineSnapshot
from plugins.web.fleet import SPARK_DAYS, Fleet, approvals, line, worst_first
from plugins.web.fleet_rows import FleetRows, fleet_rows
from tidewheel.errors import SpecError
from tidewheel.lake import Lake
from tidewheel.ledger import Ledger
from tidewheel.mlflow_api import CHAMPION, mlflow_client
from tidewheel.partitions import DAY, Partitioning
from tidewheel.retirement.traces import undeclared, undeclared_sentence
from tidewheel.spec import Pipeline, load_pipeline, pipeline_files
from tidewheel.teams import team_uses

if TYPE_CHECKING:
    from tidewheel.settings import Settings


def fleet(settings: Settings, now: datetime | None = None) -> Fleet:
    """Look at every pipeline once.

    Args:
        settings: where everything is.
        now: the time, in UTC; default: by the clock.
    """
    now = now or datetime.now(UTC)
    files = pipeline_files(settings.pipelines_folder)
    declared = {file.stem: declared_pipeline(file) for file in files}
    metrics = {name: pipeline.metric if isinstance(pipeline, Pipeline) else "" for name, pipeline in declared.items()}
    pool, parts = ThreadPoolExecutor(QUESTIONS_AT_ONCE), Answers(answers.PAGE_PATIENCE_SECONDS)
    blocks = {name: pipeline.block for name, pipeline in declared.items() if isinstance(pipeline, Pipeline)}
    ledger = pool.submit(_rows, settings, metrics, blocks)
    registry = pool.submit(registered_aliases, settings, answers.PAGE_PATIENCE_SECONDS)
    airflow = pool.submit(airflow_state, list(declared), now)
    lakes = {name: pool.submit(newest_data, settings, name, _unit(pipeline)) for name, pipeline in declared.items()}
    rows = parts.of(LEDGER, ledger) or FleetRows()
    aliases = parts.of(REGISTRY, registry)
    gone = _gone(settings, rows, aliases, parts, pool) if aliases is not None else {}
    runs = parts.of(AIRFLOW, airflow) or AirflowState()
    newest = {name: parts.of(LAKE, lake) or "" for name, lake in lakes.items()}
    pool.shutdown(wait=False, cancel_futures=True)
    lines = [
        line(
            PipelineSnapshot(
                name=name,
                now=now,
                declared=pipeline if isinstance(pipeline, Pipeline) else None,
                error="" if isinstance(pipeline, Pipeline) else pipeline,
                gone=gone.get(name, ""),
                failed=runs.failed.get(name, ()),
                data_partition=newest[name],
                ledger_answers=LEDGER not in parts.silent,
            ),
            rows,
            runs.nights.get(name),
        )
        for name, pipeline in declared.items()
    ]
    stray = [undeclared_sentence(name) for name in undeclared(settings, list(rows.endpoints))]
    waiting = approvals(declared, rows)
    known = [pipeline for pipeline in declared.values() if isinstance(pipeline, Pipeline)]
    uses = list(team_uses(known, rows.costs, settings).values())
    teams = uses if len(uses) > 1 or any(use.quota is not None for use in uses) else []
    return Fleet(worst_first(lines), list(parts.silent.values()), frozenset(parts.silent), stray, waiting, teams)


def declared_pipeline(file: Path) -> Pipeline | str:
    """A pipeline's file as it stands, or why it cannot be read."""
    try:
        return _loaded(file, file.stat().st_mtime_ns)
    except SpecError as error:
        return str(error)
    except OSError as error:
        return f"{file} cannot be read: {error}"


@functools.lru_cache(maxsize=2_000)
def _loaded(file: Path, changed: int) -> Pipeline:
    """Reading a hundred files takes longer than all queries; one that has not changed is read once."""
    return load_pipeline(file)


def newest_data(settings: Settings, pipeline: str, unit: Partitioning) -> str:
    """Key of the newest partition with published features; empty where there is none."""
    return Lake.open(pipeline, settings).newest("features", unit) or ""


def _unit(pipeline: Pipeline | str) -> Partitioning:
    """What a partition holds; a day where the file cannot be read."""
    return pipeline.partition if isinstance(pipeline, Pipeline) else DAY


def _rows(settings: Settings, metrics: Mapping[str, str], units: Mapping[str, Partitioning]) -> FleetRows:
    with Ledger.briefly(settings) as ledger, ledger.session() as session:
        return fleet_rows(session, metrics, SPARK_DAYS, units)


def _gone(
    settings: Settings,
    rows: FleetRows,
    aliases: Mapping[str, Mapping[str, str]],
    parts: Answers,
    pool: ThreadPoolExecutor,
) -> dict[str, str]:
    """What was deleted in the registry of what answers, or waits to, by pipeline."""
    words = {
        name: [gone_words(row.version)]
        for name, row in rows.endpoints.items()
        if not aliases.get(name, {}).get(CHAMPION)
    }
    waiting = {name: row for name, row in rows.newest_models.items() if _waits(name, row.version, rows, aliases)}
    # One client: a connection for each of a hundred questions takes longer than the answers.
    with mlflow_client(settings, answers.PAGE_PATIENCE_SECONDS) as client:
        pending = {name: pool.submit(run_is_deleted, client, row.mlflow_run) for name, row in waiting.items()}
        deleted = [name for name, answer in pending.items() if parts.of(REGISTRY, answer)]
    for name in deleted:
        words.setdefault(name, []).append(
            f"the MLflow run of version {waiting[name].version}, the newest challenger, was deleted: restore it "
            "there, or train again; until then it is neither judged nor promoted"
        )
    return {name: "; ".join(sentences) for name, sentences in words.items()}


def _waits(name: str, version: str | None, rows: FleetRows, aliases: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the newest version neither is champion, nor answers, nor was turned down."""
    live = rows.endpoints.get(name)
    settled = (aliases.get(name, {}).get(CHAMPION), live.version if live else None)
    return version not in settled and name not in rows.rejected
