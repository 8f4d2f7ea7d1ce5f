"""Judges what an earlier job of the run has staged, publishes what passes and puts the rest into quarantine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial

from jobs.data.expectations import ExpectationResult
from jobs.data.reasons import alike, days_sentence
from jobs.data.table_judge import TableJudge
from jobs.data.validation_page import batch_page, overview_page
from jobs.job import Job, Result, run
from jobs.progress import each
from tidewheel.lake import Manifest
from tidewheel.options import FeaturesOptions, LandOptions, ScoreOptions, ValidateOptions, ValidationStage
from tidewheel.policies.verdict import Kind, Outcome, Verdict
from tidewheel.quantities import listing
from tidewheel.runs import SKIPPED, JobRecord, read_record
from tidewheel.tracing import step

MADE_BY = {
    ValidationStage.RAW: LandOptions.job,
    ValidationStage.FEATURES: FeaturesOptions.job,
    ValidationStage.PREDICTIONS: ScoreOptions.job,
}
SUITES = {"landing": "raw", "labels": "labels", "features": "features", "predictions": "predictions"}
NAMED = 5  # reasons that a message names
WRITERS = 8  # batches that are written at once: each file waits for the disk, and the disk takes many together
LINKED = 3  # more batches than this are linked through one overview page


@dataclass(frozen=True)
class JudgedBatch:
    """One batch, and what was found in it."""

    manifest: Manifest
    source: str
    findings: Sequence[ExpectationResult]

    @property
    def broken(self) -> list[ExpectationResult]:
        """The rules that refuse the batch; one of severity `warning` or `info` is shown but refuses nothing."""
        return [finding for finding in self.findings if not finding.passed and finding.critical]

    @property
    def broken_rules(self) -> frozenset[str]:
        """The rules that refuse the batch, without what was found."""
        return frozenset(f"{finding.rule} {finding.columns} {dict(finding.expected)}" for finding in self.broken)

    @property
    def sentence(self) -> str:
        """The verdict: what the batch is, where it came from, and each broken rule."""
        if not self.broken:
            return f"{self.manifest.key}: {self.manifest.rows} rows keep all {len(self.findings)} rules"
        return f"{self.manifest.key} (from {self.source}): {'; '.join(finding.sentence for finding in self.broken)}"

    @property
    def page(self) -> str:
        """Path of the report, relative to the lake's root."""
        return f"{self.manifest.pipeline}/reports/{self.manifest.partition}/validation-{self.manifest.dataset}.html"


def work(job: Job[ValidateOptions]) -> Result:
    """Hold the batches of a stage against the pipeline's expectations; publish those that keep them."""
    made = read_record(job.lake, job.run_id, MADE_BY[job.options.stage])
    if made.figures.get(SKIPPED):
        return Result(figures={SKIPPED: True, "rows": 0}, sentence=made.sentence)
    judged = _judge(job, made)
    with step("write"), ThreadPoolExecutor(WRITERS) as pool:
        list(pool.map(partial(_keep, job), judged))
    refused = [batch for batch in judged if batch.broken]
    published = [batch.manifest for batch in judged if not batch.broken]
    rows = sum(manifest.rows for manifest in published)
    sentence = f"{job.options.stage}: {len(published)} of {len(judged)} batches keep their rules and are published"
    reasons = _reasons(refused, judged)
    reason = listing(reasons, NAMED, separator="\n", rest="\nand {:,} more reasons, see the report")
    if job.settings.database_url is not None:
        _record_verdict(job, judged, reason or sentence)
    return Result(
        inputs={batch.manifest.key: batch.manifest.content_hash for batch in judged},
        outputs=published,
        figures={SKIPPED: False, "batches": len(judged), "refused": len(refused), "rows": rows},
        links=_links(job, judged),
        sentence=sentence,
        refused=f"{job.pipeline.name}: {reason}" if refused else None,
    )


def _reasons(refused: Sequence[JudgedBatch], judged: Sequence[JudgedBatch]) -> list[str]:
    """A sentence for each set of rules that is broken, however many days break it."""
    reasons = []
    for group in alike(refused, lambda batch: (batch.manifest.dataset, batch.broken_rules)):
        first, days = group[0], [batch.manifest.partition for batch in group]
        of_all = sum(batch.manifest.dataset == first.manifest.dataset for batch in judged)
        reasons.append(first.sentence if len(group) == 1 else f"{days_sentence(days, of_all)}; {first.sentence}")
    return reasons


@step("judge")
def _judge(job: Job[ValidateOptions], made: JobRecord) -> list[JudgedBatch]:
    judged = []
    judges: dict[str, TableJudge | None] = {}
    for output in each(made.outputs, f"{job.pipeline.name}: validating {job.options.stage}", "batches"):
        manifest = job.lake.manifest(output.dataset, output.partition, output.content_hash)
        if manifest.dataset not in judges:
            judges[manifest.dataset] = _judge_of(job, manifest.dataset)
        judge = judges[manifest.dataset]
        findings = judge.judge(job.lake.read(manifest)) if judge else []
        judged.append(JudgedBatch(manifest, _source(job, manifest), findings))
    return judged


def _judge_of(job: Job, dataset: str) -> TableJudge | None:
    """The judge of a dataset; labels may go without, `land` has held them against what any label must be."""
    suite = job.settings.expectations_folder / job.pipeline.name / f"{SUITES[dataset]}.json"
    return None if dataset == "labels" and not suite.exists() else TableJudge(suite)


def _source(job: Job, manifest: Manifest) -> str:
    """The source's files where there are any, else the batch's own."""
    files = [name.removeprefix("source/") for name in manifest.inputs if name.startswith("source/")]
    return ", ".join(files or job.lake.urls(manifest))


def _keep(job: Job, batch: JudgedBatch) -> None:
    """Publish or quarantine a batch, and leave what was found beside the lake's other reports."""
    findings = [asdict(finding) for finding in batch.findings]
    if batch.broken:
        job.lake.quarantine(batch.manifest, batch.sentence, {"source": batch.source, "findings": findings})
    else:
        job.lake.publish(batch.manifest)
    record = {"batch": batch.manifest.key, "content_hash": batch.manifest.content_hash, "findings": findings}
    job.lake.store.replace(batch.page.replace(".html", ".json"), json.dumps(record, indent=2, default=str).encode())
    page = batch_page(batch.manifest, batch.source, batch.findings, published=not batch.broken)
    job.lake.store.replace(batch.page, page.encode())


def _links(job: Job[ValidateOptions], judged: Sequence[JudgedBatch]) -> Mapping[str, str]:
    shown = judged if len(judged) <= LINKED else [batch for batch in judged if batch.broken][:LINKED]
    links = {f"Validation of {batch.manifest.key}": batch.page for batch in shown}
    if len(judged) > LINKED:
        path = f"{job.pipeline.name}/reports/{job.partitions}/validation-{job.options.stage}.html"
        rows = [(batch.manifest, not batch.broken, batch.sentence) for batch in judged]
        job.lake.store.replace(
            path, overview_page(job.pipeline.name, job.options.stage, str(job.partitions), rows).encode()
        )
        links = {f"Validation of {job.options.stage}, {job.partitions}": path, **links}
    return links


def _record_verdict(job: Job[ValidateOptions], judged: Sequence[JudgedBatch], sentence: str) -> None:
    from tidewheel.ledger import Ledger

    verdict = Verdict(
        kind=Kind.VALIDATION,
        outcome=Outcome.REFUSED if any(batch.broken for batch in judged) else Outcome.PASSED,
        sentence=sentence,
        inputs={batch.manifest.key: batch.manifest.content_hash for batch in judged},
        thresholds={batch.manifest.dataset: f"{len(batch.findings)} expectations" for batch in judged},
    )
    subject = f"{job.options.stage}/{job.partitions}"
    Ledger.open(job.settings).record(job.pipeline.name, subject, job.run_id, verdict, datetime.now(UTC))


if __name__ == "__main__":
    run(work, ValidateOptions)
