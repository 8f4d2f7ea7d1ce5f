"""Callers of an endpoint, in a process of their own: 200 requests a second, most over kept connections.

python -m benchmarks.callers URL        asks until its input ends
"""

from __future__ import annotations

import http.client
import itertools
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

PER_SECOND, KEPT, FRESH = 200, 15, 5
ROW = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}


@dataclass(frozen=True)
class Answer:
    """One request: when it was sent (seconds since 1970), how long it took, and who answered (empty: nobody)."""

    at: float
    milliseconds: float
    version: str
    failure: str


def load(url: str) -> None:
    """Ask until standard input ends, and print every answer as a line of JSON."""
    over, lock = threading.Event(), threading.Lock()
    threads = [
        threading.Thread(target=_ask, args=(url, n, n >= KEPT, over, lock), daemon=True) for n in range(KEPT + FRESH)
    ]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    over.set()
    for thread in threads:
        thread.join()


def _ask(url: str, number: int, fresh: bool, over: threading.Event, lock: threading.Lock) -> None:
    address = urlsplit(url)
    bodies = itertools.cycle(json.dumps({"rows": [{**ROW, "weight": n / 10 - 2}]}) for n in range(40))
    headers = {"content-type": "application/json"} | ({"connection": "close"} if fresh else {})
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    pause = (KEPT + FRESH) / PER_SECOND
    due = time.monotonic() + pause * number / (KEPT + FRESH)
    while not over.wait(max(0.0, due - time.monotonic())):
        due = max(due + pause, time.monotonic())
        at, started, version, failure = time.time(), time.perf_counter(), "", ""
        try:
            connection.request("POST", f"{address.path}/predict", next(bodies), headers)
            answer = connection.getresponse()
            content = answer.read()
            if answer.status == 200:
                version = json.loads(content)["model_version"]
            else:
                failure = f"{answer.status}: {content[:200]!r}"
        except (OSError, http.client.HTTPException) as error:
            failure = repr(error)
            connection.close()
        if fresh:
            connection.close()
        line = json.dumps([at, (time.perf_counter() - started) * 1000, version, failure])
        with lock:
            sys.stdout.write(f"{line}\n")


@contextmanager
def asking(url: str) -> Iterator[list[Answer]]:
    """Ask from a process of its own for as long as the block runs.

    Args:
        url: of the pipeline.

    Yields:
        What came, in the order of sending; there once the block is left.
    """
    answers: list[Answer] = []
    with tempfile.TemporaryFile("w+") as output:
        command = [sys.executable, "-m", "benchmarks.callers", url]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=output)
        try:
            yield answers
        finally:
            process.communicate()
        output.seek(0)
        answers += sorted((Answer(*json.loads(line)) for line in output), key=lambda answer: answer.at)


if __name__ == "__main__":
    load(sys.argv[1])
