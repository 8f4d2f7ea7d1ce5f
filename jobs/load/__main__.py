"""`python -m jobs.load --pipeline NAME --partition DAY --run-id ID --rps RATE --seconds SECONDS`."""

from jobs.job import run
from jobs.load.job import work
from tidewheel.options import LoadOptions

if __name__ == "__main__":
    run(work, LoadOptions)
