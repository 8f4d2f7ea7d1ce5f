"""Decide, by hash, which data a training run learns from and is judged on."""

from __future__ import annotations

from jobs.job import Job, Result, run
from jobs.training_data import choose_training_data, keep_training_data


def work(job: Job) -> Result:
    """Name the matured days to train on and the newer ones kept for the gate."""
    chosen = choose_training_data(job.lake, job.pipeline, as_of=job.partitions.last)
    path = keep_training_data(job.lake, job.run_id, chosen)
    first, last = chosen.training[0].day, chosen.training[-1].day
    return Result(
        inputs=chosen.inputs,
        figures={
            "as_of": chosen.as_of.isoformat(),
            "days": len(chosen.training),
            "first_day": first.isoformat(),
            "last_day": last.isoformat(),
            "rows": chosen.training_rows,
            "holdout_days": len(chosen.holdout),
            "data_hash": chosen.data_hash,
        },
        links={"Training data, by hash": path},
        sentence=f"{chosen.training_rows:,} rows of {len(chosen.training)} days ({first} to {last}) to train on, "
        f"{len(chosen.holdout)} later days kept for the gate",
    )


if __name__ == "__main__":
    run("assemble", work)
