"""What every job has in common: its command line, its record, its exit code.

A job is a module with `def work(job: Job) -> Result` and, at its end, `if __name__ == "__main__": run("land", work)`.
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

import psutil

import tidewheel
from jobs.logs import set_up_logging
from jobs.partial_failures import failures_in_words
from tidewheel.actor import LENGTH, operating_system_user
from tidewheel.disk import disk_sentence
from tidewheel.errors import DataRefused, ExitCode, TidewheelError
from tidewheel.lake import Lake, Manifest
from tidewheel.lake.outage import outage_sentence
from tidewheel.logs import describe, hide
from tidewheel.partitions import PartitionRange
from tidewheel.runs import BatchReference, Figure, JobRecord, run_folder, write_record
from tidewheel.settings import Settings, load_settings
from tidewheel.spec import Pipeline, find_pipeline
from tidewheel.tracing import process_span

log = logging.getLogger("tidewheel.job")
TERMINATED = 128 + signal.SIGTERM


@dataclass(frozen=True)
class Job:
    """One call of a job: what it was asked for, by whom, and where its inputs and outputs lie."""

    name: str
    pipeline: Pipeline
    partitions: PartitionRange
    run_id: str
    settings: Settings
    lake: Lake
    options: argparse.Namespace
    code_version: str
    actor: str = ""


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


def run(
    name: str,
    work: Callable[[Job], Result],
    add_options: Callable[[argparse.ArgumentParser], None] = lambda parser: None,
    record_name: Callable[[argparse.Namespace], str] | None = None,
) -> None:
    """Run `work` for this process's command line, leave its record, and end the process with the job's exit code.

    Args:
        name: name of the job, as in `python -m jobs.<name>`.
        work: does the job; a `Result` with `refused` set is recorded and ends with exit code 3.
        add_options: adds the job's own options to the command line.
        record_name: name of the record, where one job leaves several in a run; default: the job's name.
    """
    if os.getpid() == 1:  # in a container; Linux ends no first process by a signal that it has no handler for
        signal.signal(signal.SIGTERM, lambda *_: os._exit(TERMINATED))
    imported = max(0.0, time.time() - psutil.Process().create_time())
    set_up_logging()
    parser = argparse.ArgumentParser(prog=f"python -m jobs.{name}", description=(work.__doc__ or "").strip())
    parser.add_argument("--pipeline", required=True, help="name of the pipeline, as in dags/<name>.yaml")
    parser.add_argument("--partition", required=True, help="a day YYYY-MM-DD, or a range FIRST..LAST")
    parser.add_argument("--run-id", required=True, help="names the run; the record goes to runs/<run-id>/ in the lake")
    parser.add_argument("--actor", help="who has started it; default: the user of this process, at this machine")
    add_options(parser)
    options = parser.parse_args()
    called = record_name(options) if record_name else name
    fields = {"pipeline": options.pipeline, "job": called, "partition": options.partition, "run_id": options.run_id}
    describe(**fields)
    attributes = {f"tidewheel.{key}": value for key, value in fields.items()}
    with process_span(f"job {called}", "tidewheel-jobs", attributes):
        sys.exit(_exit_code(lambda: _run(called, work, options, imported)))


def _exit_code(run_: Callable[[], int]) -> int:
    """What a job ends with. A failure that has a sentence is logged by it: a traceback would hide it."""
    try:
        return run_()
    except TidewheelError as error:
        log.error("%s", error)  # noqa: TRY400
        return error.exit_code
    except OSError as error:
        if not (told := disk_sentence(error)):
            raise
        log.error("%s", told)  # noqa: TRY400
    except Exception as error:
        if not (told := outage_sentence(error)):
            raise
        log.error("%s", told)  # noqa: TRY400
    return ExitCode.FAILED


def _run(name: str, work: Callable[[Job], Result], options: argparse.Namespace, imported: float) -> int:
    run_folder(options.run_id)  # the record could not be kept: refused before any work is done
    settings = load_settings()
    hide(settings.secrets)
    pipeline = find_pipeline(settings.pipelines_folder, options.pipeline)
    job = Job(
        name=name,
        pipeline=pipeline,
        partitions=PartitionRange.parse(options.partition),
        run_id=options.run_id,
        settings=settings,
        lake=Lake.open(pipeline.name, settings),
        options=options,
        code_version=code_version(settings.project),
        actor=(options.actor or operating_system_user())[:LENGTH],
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
