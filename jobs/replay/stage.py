"""Where plays happen: several at once, each in a process; what is kept from an earlier call is not played again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool

from jobs import data, evaluation, loop, memory, models, monitoring, training
from jobs.replay import declared, figures, fits, fixed, history, play, policies
from jobs.replay import memory as play_memory
from jobs.replay.history import History
from jobs.replay.kept import Kept, content_key, fingerprint
from jobs.replay.play import Play
from jobs.replay.policies import SPEC, Declared, parse_policy
from jobs.replay.progress import Progress
from jobs.replay.troupe import Part, Scene, Troupe, policy_of
from tidewheel import policies as judgements
from tidewheel.errors import PlatformError

CODE = (
    *(declared, figures, fits, fixed, history, play, play_memory, policies),
    *(data, evaluation, loop, memory, models, monitoring, training, judgements),
)
"""What a play depends on; when it changes, plays are played again."""
LOOK_SECONDS = 0.5


def play_all(
    scene: Scene, history: History, policies: Sequence[str], seeds: Sequence[int], workers: int | None = None
) -> list[Play]:
    """Play each policy with each seed.

    Args:
        scene: what is played, and where.
        history: its data, to know what is kept already.
        policies: as the person wrote them; one made from `spec` needs `spec` among them.
        seeds: of the models.
        workers: plays at once; None: one a core.

    Returns:
        The plays, by policy as asked for, then by seed.
    """
    kept, done = Kept(scene.folder), dict[Part, Play]()
    # seed by seed: what is stopped halfway has a whole picture of the first
    parts = [Part(policy, seed) for seed in seeds for policy in policies]
    asked = {policy: parse_policy(policy, scene.pipeline, scene.played) for policy in policies}
    waiting = [part for part in parts if asked[part.policy].waits]
    ready = [part for part in parts if not asked[part.policy].waits]

    def take(part: Part, played: Play) -> None:
        done[Part(part.policy, part.seed)] = played
        if part.policy == SPEC:
            ready.extend(Part(other.policy, other.seed, played.fits) for other in waiting if other.seed == part.seed)

    with Troupe(scene, min(workers or os.cpu_count() or 1, len(parts))) as troupe, Progress(scene.played) as progress:
        running: dict[Future[Play], Part] = {}
        while ready or running:
            while ready:
                part = ready.pop(0)
                progress.begin(part)
                if (found := kept.get("plays", play_key(scene, history, part))) is None:
                    running[troupe.submit(part)] = part
                    continue
                take(part, found)
                progress.end(part, found, again=False)
            ended = wait(running, LOOK_SECONDS, FIRST_COMPLETED).done
            progress.tell(troupe.news())
            for future in ended:
                part = running.pop(future)
                played = _result(future, part)
                kept.put("plays", play_key(scene, history, part), played)
                take(part, played)
                progress.end(part, played, again=True)
    return [done[Part(policy, seed)] for policy in policies for seed in seeds]


def _result(future: Future[Play], part: Part) -> Play:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise PlatformError(
            f"a process that played {part.policy} was killed, perhaps for want of memory: each holds all the days. "
            "The same command goes on where it was; try --workers 1"
        ) from error


def play_key(scene: Scene, history: History, part: Part) -> str:
    """Names a play by everything it depends on: data, declaration, policy, days, seed and code."""
    policy = policy_of(scene, part)
    return content_key(
        {
            "data": history.fingerprint,
            "pipeline": policy.pipeline.model_dump(mode="json", exclude={"description", "owner", "schedule", "alerts"}),
            "policy": policy.name,
            "days": None if isinstance(policy, Declared) else sorted(policy.days),
            "played": str(scene.played),
            "seed": part.seed,
            "code": fingerprint(*CODE),
        }
    )
