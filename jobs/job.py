"""What every job has in common: its command line, its record, its exit code.

A job is a module with `def work(job: Job[LandOptions]) -> Result` and, at its end,
`if __name__ == "__main__": run(work, LandOptions)`. Its options are declared in `tidewheel.options.jobs`.
"""

from __future__ import annotations

import argparse
import logging
import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic

import psutil
from typing_extensions import TypeVar

import tidewheel
from jobs.logs import set_up_logging
from jobs.partial_failures import failures_in_words
from tidewheel.actor import LENGTH, operating_system_user
from tidewheel.disk import disk_sentence
from tidewheel.errors import DataRefused, ExitCode, TidewheelError, UsageError
from tidewheel.lake import Lake, Manifest
from tidewheel.lake.outage import outage_sentence
from tidewheel.logs import describe, hide
from tidewheel.options import JobOptions, RunOptions, parse_options
from tidewheel.options.command_line import add_arguments
from tidewheel.options.option import Options
from tidewheel.partitions import PartitionRange
from tidewheel.runs import BatchReference, Figure, JobRecord, run_folder, write_record
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import Pipeline, find_pipeline
from tidewheel.tracing import process_span

log = logging.getLogger("tidewheel.job")
TERMINATED = 128 + signal.SIGTERM
OptionsT = TypeVar("OptionsT", bound=JobOptions)
OptionsT_co = TypeVar("OptionsT_co", bound=JobOptions, default=JobOptions, covariant=True)


@dataclass(frozen=True)
class Job(Generic[OptionsT_co]):
    """One call of a job: what was requested, by whom, and where its inputs and outputs lie.

    `Job[ReleaseOptions]` is a job with those options. A plain `Job` is any job, whose own options are not known.
    """

    name: str
    pipeline: Pipeline
    partitions: PartitionRange
    run_id: str
    settings: Settings
    lake: Lake
    options: OptionsT_co
    code_version: str
    actor: str = ""
    has_named_actor: bool = False
    """Whether the caller has named the actor, as Airflow does; else the actor is this process's user."""


@dataclass(frozen=True)
class Result:
    """What a job hands back; `run` turns it into the job's record."""

    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Sequence[Manifest] = ()
    figures: Mapping[str, Figure] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    sentence: str = ""
    refused: str | None = None
    warnings: Sequence[str] = ()
    """What failed without ending the job, see `jobs.partial_failures`."""


def run(work: Callable[[Job[OptionsT]], Result], model: type[OptionsT]) -> None:
    """Run `work` for this process's command line, leave its record, and end the process with the job's exit code.

    Args:
        work: does the job; a `Result` with `refused` set is recorded and ends with exit code 3.
        model: of the job's options, which also names the job.
    """
    if os.getpid() == 1:  # in a container; Linux ends no first process by a signal that it has no handler for
        signal.signal(signal.SIGTERM, lambda *_: os._exit(TERMINATED))
    imported = max(0.0, time.time() - psutil.Process().create_time())
    set_up_logging()
    parser = argparse.ArgumentParser(prog=f"python -m jobs.{model.job}", description=(work.__doc__ or "").strip())
    add_arguments(parser, RunOptions, model)
    given = vars(parser.parse_args())
    try:
        parsed = parse_options(RunOptions, _only(RunOptions, given))
        options = parse_options(model, _only(model, given))
    except UsageError as error:
        log.error("%s", error)  # noqa: TRY400
        sys.exit(error.exit_code)
    name = options.record
    fields = {
        "pipeline": parsed.pipeline,
        "job": name,
        "partition": str(parsed.partition),
        "run_id": parsed.run_id,
    }
    describe(**fields)
    attributes = {f"tidewheel.{key}": value for key, value in fields.items()}
    with process_span(f"job {name}", "tidewheel-jobs", attributes):
        sys.exit(_exit_code(lambda: _run(name, work, parsed, options, imported)))


def _only(model: type[Options], given: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in given.items() if name in model.model_fields}


def _exit_code(run_: Callable[[], int]) -> int:
    """What a job ends with. A failure that has a sentence is logged by it: a traceback would hide it."""
    try:
        return run_()
    except TidewheelError as error:
        log.error("%s", error)  # noqa: TRY400
        return error.exit_code
    except OSError as error:
        if not (message := disk_sentence(error)):
            raise
        log.error("%s", message)  # noqa: TRY400
    except Exception as error:
        if not (message := outage_sentence(error)):
            raise
        log.error("%s", message)  # noqa: TRY400
    return ExitCode.FAILED


def _run(
    name: str, work: Callable[[Job[OptionsT]], Result], parsed: RunOptions, options: OptionsT, imported: float
) -> int:
    run_folder(parsed.run_id)  # the record could not be written: refused before any work is done
    settings = load_settings()
    hide(settings.secrets)
    pipeline = find_pipeline(settings.pipelines_folder, parsed.pipeline)
    job = Job(
        name=name,
        pipeline=pipeline,
        partitions=_partitions(parsed.partition, pipeline, options),
        run_id=parsed.run_id,
        settings=settings,
        lake=Lake.open(pipeline.name, settings),
        options=options,
        code_version=code_version(settings.project),
        actor=(parsed.actor or operating_system_user())[:LENGTH],
        has_named_actor=parsed.actor is not None,
    )
    started = time.monotonic()
    try:
        result = work(job)
    except DataRefused as error:
        result = Result(refused=str(error), sentence=str(error))
    record = JobRecord(
        pipeline=pipeline.name,
        job=name,
        run_id=job.run_id,
        partition=str(job.partitions),
        inputs=dict(sorted(result.inputs.items())),
        outputs=tuple(
            BatchReference(dataset=m.dataset, partition=m.partition, content_hash=m.content_hash, rows=m.rows)
            for m in result.outputs
        ),
        figures=dict(result.figures),
        links=dict(result.links),
        sentence=f"{result.sentence}{failures_in_words(tuple(result.warnings))}",
        warnings=tuple(result.warnings),
        refused=result.refused,
        code_version=job.code_version,
        seconds=round(time.monotonic() - started, 3),
        import_seconds=round(imported, 3),
        cpu_seconds=round(cpu_seconds(), 3),
        peak_memory_bytes=_peak_memory_bytes(),
    )
    path = write_record(job.lake, record)
    if result.refused is not None:
        raise DataRefused(result.refused)
    log.info("%s: %s (%.1f s, record %s)", name, record.sentence or "done", record.seconds, path)
    return 0


def _partitions(requested: PartitionRange, pipeline: Pipeline, options: JobOptions) -> PartitionRange:
    """What was requested, in the unit that the job works in."""
    if not options.of_data:
        return requested
    return requested.by(pipeline.partition if options.by_hour else pipeline.block)


def code_version(project: Path) -> str:
    """The commit the code is at, with `-dirty` where files differ from it; without git, the package's version."""
    if version := os.environ.get("TIDEWHEEL_CODE_VERSION"):
        return version
    git = ["git", "-C", str(project), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        found = subprocess.run(git, capture_output=True, text=True, check=True, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return tidewheel.__version__
    return found.stdout.strip()


def cpu_seconds() -> float:
    """What this process and the children it waited for have computed."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_memory_bytes() -> int:
    """The largest resident size of this process or of a child it waited for."""
    # Linux hands ru_maxrss down through fork and exec, so our own would be that of a large parent: ask /proc instead.
    own = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return 1024 * max(int(own[1]) if own else 0, children)
