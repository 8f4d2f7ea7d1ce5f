"""`python -m jobs.replay --pipeline NAME --partition FIRST..LAST --run-id ID [--policy P ...] [--seeds N]`."""

from jobs.job import run
from jobs.replay.job import work
from tidewheel.options import ReplayOptions

if __name__ == "__main__":  # the processes that play import this module, too
    run(work, ReplayOptions)
