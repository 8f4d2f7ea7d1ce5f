"""What the default retraining policy does on streams that stay, turn, drift or misbehave.

    python -m benchmarks.streams [--seeds N] [--world PART-OF-ITS-NAME]

Each world of `benchmarks.made_up_streams` is played for 150 days by a pipeline file that says nothing about training,
triggers or gate, beside models that stay frozen or are trained every week, and a calendar with as many fits as the
default took. Losses are means over the seeds, above what weekly training loses.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta

from benchmarks import policy_comparison
from benchmarks.made_up_streams import BEGIN, DAYS, FIRST_PLAYED, TURN, WORLDS, stream
from tidewheel.partitions import PartitionRange

PLAYED = PartitionRange(BEGIN + timedelta(days=FIRST_PLAYED), BEGIN + timedelta(days=DAYS - 1))
TURNED = BEGIN + timedelta(days=TURN)


def main() -> None:
    """Play and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="streams of each world")
    parser.add_argument("--world", default="", help="only the worlds whose name has this in it")
    options = parser.parse_args()
    chosen = [number for number, world in enumerate(WORLDS) if options.world in world.name]
    if not chosen:
        parser.error(f"--world {options.world}: none of {', '.join(world.name for world in WORLDS)}")
    print(policy_comparison.head("world"))
    with ProcessPoolExecutor(os.cpu_count()) as processes:
        found = {n: [processes.submit(outcome, n, seed) for seed in range(options.seeds)] for n in chosen}
        for number, played in found.items():
            print(policy_comparison.line(WORLDS[number].name, [one.result() for one in played]), flush=True)


def outcome(number: int, seed: int) -> policy_comparison.Outcome:
    """Play one stream.

    Args:
        number: of the world; worlds hold functions, which do not travel between processes.
        seed: of the stream and of the models.
    """
    world = WORLDS[number]
    return policy_comparison.outcome(stream(world, seed), PLAYED, seed, TURNED if world.sudden else None)


if __name__ == "__main__":
    main()
