"""Erases a person's rows, by their key, from the lake and from the request log; see `docs/how-to/erase.md`.

A job that is still running may have read the rows before. So it is looked again until nothing new is found, and what
runs longer than that is for another call.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from jobs.data.request_log import RequestLog
from jobs.erasure.drawn_rows import forget_drawn_rows
from jobs.erasure.key_rows import KeyRows
from jobs.erasure.log_files import LogErasure, erase_logged
from jobs.erasure.texts import entries_that_name, is_short, mentions, refused_files
from jobs.erasure.trained import TrainedVersions, trained_on
from jobs.job import Job, Result, run
from tidewheel.lake.erasure import DatasetErasure, erase_rows
from tidewheel.lake.successors import Batch, held_by, renew_inputs
from tidewheel.ledger import Ledger
from tidewheel.ledger.audit import Act, note
from tidewheel.ledger.chain import Entry
from tidewheel.options import EraseOptions
from tidewheel.quantities import listing, quantity

ROUNDS = 3
"""How often it is looked again: a job that publishes meanwhile ends before long."""
NAMED = 10
"""So many paths are named."""


@dataclass
class Account:
    """What was erased, what is left and what it means.

    Attributes:
        batches: rows and batches by dataset, of what readers see and of what is superseded or in quarantine.
        logged: the request log's files.
        files: deleted whole: left by killed jobs, damaged, or refused source files that name the key.
        keyless: files without the columns of the key.
        left: files that hold such rows still, or may, each with the reason.
        versions: that have learned from the rows.
        mentions: texts that name the key.
        entries: of the audit log that name it.
    """

    batches: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    logged: LogErasure = field(default_factory=LogErasure)
    files: list[str] = field(default_factory=list)
    keyless: set[str] = field(default_factory=set)
    left: dict[str, str] = field(default_factory=dict)
    versions: TrainedVersions = field(default_factory=lambda: TrainedVersions((), ()))
    mentions: list[str] = field(default_factory=list)
    entries: int = 0

    @property
    def rows(self) -> int:
        """Rows that readers saw, in the lake and in the log's files."""
        return sum(rows for rows, _, _ in self.batches.values()) + self.logged.rows

    def add(self, dataset: str, erased: DatasetErasure) -> bool:
        """Add what was found in a dataset; returns whether that is anything."""
        rows, days, others = self.batches.get(dataset, (0, 0, 0))
        published = [batch for batch in erased.batches if batch.published]
        counts = (
            rows + sum(batch.rows for batch in published),
            days + len(published),
            others + len(erased.batches) - len(published),
        )
        if erased.batches:
            self.batches[dataset] = counts
        self.files += erased.files
        self.keyless |= set(erased.keyless)
        self.left |= erased.left
        return bool(erased.batches or erased.files)


def work(job: Job[EraseOptions]) -> Result:
    """Erase the rows, or only look for them."""
    rows, dry_run, account = KeyRows.parse(job.pipeline, job.options.key), job.options.dry_run, Account()
    ledger = Ledger.open(job.settings)
    if not dry_run:
        _note(job, ledger, rows, "begun", f"rows of the key {rows.digest[:12]} are to be erased")
    log = RequestLog(job.settings, job.pipeline.name, unit=job.pipeline.block)
    with log.alone():  # what is published while files of the log are changed would bring the rows back
        touched = _erase_batches(job, rows, account)
        account.logged = erase_logged(log, rows, datetime.now(UTC), dry_run=dry_run)
    account.left |= account.logged.left
    refused, unsearched = refused_files(job.lake, rows)
    account.files += [*account.logged.damaged, *refused]
    account.left |= unsearched
    if not dry_run:
        for path in refused:
            job.lake.store.remove(path)
        forget_drawn_rows(job.lake, {key.partition("/")[2] for key, _ in touched})
        renew_inputs(job.lake)
        shutil.rmtree(job.settings.replay_cache / job.pipeline.name, ignore_errors=True)
    account.versions = trained_on(job.lake, ledger, held_by(job.lake, rows.digest, touched))
    account.mentions = mentions(job.lake, rows)
    account.entries = entries_that_name(ledger, job.pipeline.name, rows)
    sentence = _sentence(account, rows, dry_run=dry_run)
    if not dry_run:
        _note(job, ledger, rows, "incomplete" if account.left else "erased", sentence)
    sys.stdout.writelines(f"{line}\n" for line in _lines(account, rows, job, dry_run=dry_run))
    figures = {"rows": account.rows, "left": len(account.left), "versions": len(account.versions.learned)}
    return Result(figures=figures, sentence=sentence)


def _erase_batches(job: Job[EraseOptions], rows: KeyRows, account: Account) -> set[Batch]:
    """Erase the rows from all datasets, and look again; returns the batches that held them."""
    touched: set[Batch] = set()
    for _ in range(ROUNDS):
        account.left.clear()
        again = False
        for dataset in job.lake.store.list_folder(job.lake.pipeline):
            erased = erase_rows(job.lake, dataset, rows, datetime.now(UTC), dry_run=job.options.dry_run)
            touched |= {(batch.manifest.key, batch.manifest.content_hash) for batch in erased.batches}
            again |= account.add(dataset, erased)
        if job.options.dry_run or not again:
            break
    return touched


def _note(job: Job, ledger: Ledger, rows: KeyRows, outcome: str, sentence: str) -> None:
    subject = f"key sha256:{rows.digest}"
    now = datetime.now(UTC)
    note(ledger, Entry(job.pipeline.name, Act.ERASURE, subject, outcome, sentence, job.actor, job.run_id, now))


def _sentence(account: Account, rows: KeyRows, *, dry_run: bool) -> str:
    would = "would be" if dry_run else "were"
    where = ", ".join(f"{count:,} of {name}" for name, (count, _, _) in account.batches.items() if count)
    left = f"; {quantity(len(account.left), 'file')} left" if account.left else ""
    versions = ", ".join(account.versions.learned)
    learned = f"; versions {versions} have learned from them" if versions else ""
    return (
        f"{quantity(account.rows, 'row')} of the key {rows.digest[:12]} {would} erased ({where or 'none in the lake'}, "
        f"{account.logged.rows:,} of the request log){left}{learned}"
    )


def _lines(account: Account, rows: KeyRows, job: Job, *, dry_run: bool) -> Iterator[str]:
    yield f"{_sentence(account, rows, dry_run=dry_run)}."
    for dataset, (count, days, others) in account.batches.items():
        published = quantity(days, "published batch", "published batches")
        superseded = quantity(others, "other batch", "other batches")
        yield f"  {dataset}: {quantity(count, 'row')} in {published}, and {superseded}"
    if account.files:
        yield from _named("Files that go whole, since they name the key and no manifest names them", account.files)
    if account.keyless:
        yield from _named("Files without a column of the key, so not searched", sorted(account.keyless))
    if learned := account.versions.learned:
        yield (
            f"  Versions {', '.join(learned)} have learned from these rows, or were judged on them. They keep what "
            "they have learned, and about twenty rows of features without keys, in MLflow and in what is served. To be "
            "rid of both, train a new version and delete these in MLflow. `tidewheel reproduce` names the rows that "
            "are missing; another model may come out."
        )
    if account.versions.unknown:
        yield f"  Versions {', '.join(account.versions.unknown)}: what they have learned from is not listed any more."
    if account.mentions:
        yield from _named("Texts that name the key; look at them, and delete what may go", account.mentions)
    if account.entries:
        entries = quantity(account.entries, "entry", "entries")
        yield f"  {entries} of the audit log cannot be changed, though the key is in what is said there."
    if is_short(rows):
        yield "  Reports, records and sentences were not searched: the key is too short to be recognised in a text."
    yield (
        f"  Not reached from here: the source of {job.pipeline.name}, backups, and callers. What the source still has "
        "comes back when the day is landed again."
    )
    for path, reason in account.left.items():
        yield f"  LEFT {path}: {reason}"


def _named(title: str, paths: list[str]) -> Iterator[str]:
    yield f"  {title} ({len(paths):,}): {listing(paths, NAMED)}"


if __name__ == "__main__":
    run(work, EraseOptions)
