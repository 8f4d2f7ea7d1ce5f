"""What hostile bodies cost the endpoint and its other callers; writes the last part of `docs/faults.md`.

    python -m benchmarks.attacks [--before COMMIT] [page]

Each body of `tests/bentos/attacks.py` is sent to a service of its own, while another caller asks for one row again and
again. With `--before` a service with the code of that commit is attacked too. Takes about five minutes for each.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import shutil
import subprocess
import tarfile
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx

from bentos.content_encoding import LARGEST_BODY
from jobs.packaging.bento import BentoStore
from tests import small_models
from tests.bentos.attack_meter import Cost, attacked
from tests.bentos.attacks import ATTACKS, Attack
from tests.bentos.service_process import Service, serving

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "faults.md"
TITLE = "## Attacks on the endpoint"
MOST_MEMORY = 6 << 30
"""Of a service without limits of its own, so that the machine survives it."""
ROW = {"weight": 1.0, "distance": 100.0, "carrier": "fast"}
TEXT = """\
{title}

Bodies that cost a careless reader a multiple of what they cost their sender, each sent by itself while
another caller asks for one row every few milliseconds. *Memory* is what the service and its processes grew by (less
than nothing where memory of earlier requests was given back), of which {limit} MiB (ten times the largest body) are
allowed; *others* is the time that 99 of a hundred of the other caller's requests took, of which 100 ms are allowed. In
quiet it was {quiet:.0f} ms on this machine.

`python -m benchmarks.attacks`, {day}: two cores, whose load was {load:.1f} before.

"""


def main() -> None:
    """Attack, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", metavar="COMMIT")
    parser.add_argument("page", nargs="?", type=Path, default=PAGE)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        bento = build(Path(folder))
        services = {"": bento}
        if options.before:
            services = {"before": with_code_of(options.before, bento), "after": bento}
        quiet = in_quiet(bento, Path(folder) / "output")
        victims = [Victim(service, Path(folder) / "output") for service in services.values()]
        rows = [played(attack, victims) for attack in ATTACKS]
        for victim in victims:
            victim.stop()
    figures = [f"{when} {name}".strip() for when in services for name in ("answer", "memory MiB", "s", "others ms")]
    head = ["Attack", "body KiB", *figures]
    table = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    text = TEXT.format(
        title=TITLE, limit=10 * LARGEST_BODY >> 20, quiet=quiet, day=datetime.now(UTC).date().isoformat(), load=load
    )
    before, _, _ = options.page.read_text(encoding="utf-8").partition(TITLE) if options.page.exists() else ("", "", "")
    lines = [f"| {' | '.join(each)} |" for each in table]
    options.page.write_text(before.rstrip() + "\n\n" + text + "\n".join(lines) + "\n", encoding="utf-8")


def build(folder: Path) -> Path:
    """A Bento of the model that the attacks are for, which takes 1,000 rows."""
    pipelines = folder / "pipelines"
    pipelines.mkdir()
    pipeline = small_models.pipeline(pipelines)
    limited = pipeline.model_copy(update={"serving": pipeline.serving.model_copy(update={"maximum_rows": 1000})})
    trained = small_models.train()
    built = BentoStore(folder / "bentos").build(limited, "1", "run", trained.contract, trained.model)
    return Path(built.artifact.path)


def with_code_of(commit: str, bento: Path) -> Path:
    """The same Bento with the service's code of a commit."""
    other = bento.with_name("before")
    shutil.copytree(bento, other)
    shutil.rmtree(other / "bentos")
    command = [str(shutil.which("git")), "archive", commit, "bentos"]
    archive = subprocess.run(command, cwd=PROJECT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
        files.extractall(other, filter="data")
    return other


def in_quiet(bento: Path, output: Path) -> float:
    """Milliseconds of 99 of a hundred requests that nobody disturbs."""
    with serving(bento, output, {}) as service:
        return attacked(service, ROW, None, 3.0).p99


@dataclass
class Victim:
    """A service that is attacked, and started again when that has ended it.

    Attributes:
        bento: what it serves.
        output: file for what it prints.
    """

    bento: Path
    output: Path
    _stack: ExitStack = field(default_factory=ExitStack)
    _service: Service | None = None

    def cost(self, attack: Attack) -> Cost | str:
        """What an attack costs it, or in words why nobody can say."""
        if self._service is None:
            self._service = self._stack.enter_context(serving(self.bento, self.output, {}, bounded))
            self._service.predict([ROW])
        try:
            return attacked(self._service, ROW, attack)
        except (httpx.TransportError, AssertionError) as error:
            ended = self._service.process.poll() is not None
            self.stop()
            return "the service ended" if ended else f"none ({type(error).__name__})"

    def stop(self) -> None:
        """End it."""
        self._stack.close()
        self._service = None


def played(attack: Attack, victims: list[Victim]) -> list[str]:
    """A line of the table: an attack, built once, and what it costs each service."""
    body = attack.build()
    print(f"{attack.name}: {len(body):,} bytes", flush=True)
    built = replace(attack, build=lambda: body)
    return line(built, [victim.cost(built) for victim in victims])


def bounded() -> None:
    """Called in the process of a service."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))


def line(attack: Attack, costs: list[Cost | str]) -> list[str]:
    """A line of the table."""
    figures: list[str] = []
    for found in costs:
        if isinstance(found, str):
            figures += [found, "", "", ""]
            continue
        others = whole(found.p99) if found.others else ""
        statuses = ", ".join(map(str, found.statuses))
        figures += [statuses, whole(found.megabytes), f"{found.seconds:.1f}", others]
    return [attack.name, whole(len(attack.build()) / 1024), *figures]


def whole(number: float) -> str:
    """A number without its fraction."""
    return f"{number:,.0f}"


if __name__ == "__main__":
    main()
