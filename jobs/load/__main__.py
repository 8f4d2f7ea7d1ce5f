"""`python -m jobs.load --pipeline NAME --partition DAY --run-id ID --rps RATE --seconds SECONDS`."""

from jobs.job import run
from jobs.load.job import add_options, work

if __name__ == "__main__":
    run("load", work, add_options)
