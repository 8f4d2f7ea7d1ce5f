"""All simulations of a replay: several at once, each in a process; what an earlier call has stored is not run again."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool

from jobs import data, evaluation, loop, memory, models, monitoring, training
from jobs.replay import declared, drifting, figures, fits, fixed, history, policies, simulation, version
from jobs.replay import memory as replay_memory
from jobs.replay.history import History
from jobs.replay.policies import SPEC, Declared, parse_policy
from jobs.replay.progress import Progress
from jobs.replay.result_cache import ResultCache, content_key, fingerprint
from jobs.replay.simulation import Simulation
from jobs.replay.workers import ReplayScope, SimulationRequest, Workers, policy_of
from tidewheel import policies as judgements
from tidewheel.errors import PlatformError

CODE = (
    *(declared, drifting, figures, fits, fixed, history, policies, replay_memory, simulation, version),
    *(data, evaluation, loop, memory, models, monitoring, training, judgements),
)
"""What a simulation depends on; when it changes, it is run again."""
LOOK_SECONDS = 0.5


def simulate_all(
    scope: ReplayScope,
    history: History,
    policies: Sequence[str],
    seeds: Mapping[str, Sequence[int]],
    workers: int | None = None,
) -> list[Simulation]:
    """Simulate each policy with each seed.

    Args:
        scope: what the simulations have in common.
        history: its data, to know what is stored already.
        policies: as the person wrote them; one made from `spec` needs `spec` among them.
        seeds: of the models, by policy; the first are the same for all.
        workers: simulations at once; None: one a core.

    Returns:
        The simulations, by policy in the order given, then by seed.
    """
    cache, done = ResultCache(scope.folder), dict[SimulationRequest, Simulation]()
    # seed by seed: what is stopped halfway has a whole picture of the first
    every = list(dict.fromkeys(seed for policy in policies for seed in seeds[policy]))
    requests = [SimulationRequest(policy, seed) for seed in every for policy in policies if seed in seeds[policy]]
    asked = {policy: parse_policy(policy, scope.pipeline, scope.played) for policy in policies}
    waiting = [request for request in requests if asked[request.policy].waits]
    ready = [request for request in requests if not asked[request.policy].waits]

    def take(request: SimulationRequest, finished: Simulation) -> None:
        done[SimulationRequest(request.policy, request.seed)] = finished
        if request.policy == SPEC:
            ready.extend(
                SimulationRequest(other.policy, other.seed, finished.fits)
                for other in waiting
                if other.seed == request.seed
            )

    with Workers(scope, min(workers or os.cpu_count() or 1, len(requests))) as pool, Progress(scope.played) as progress:
        running: dict[Future[Simulation], SimulationRequest] = {}
        while ready or running:
            while ready:
                request = ready.pop(0)
                progress.begin(request)
                if (stored := cache.get("plays", simulation_key(scope, history, request))) is None:
                    running[pool.submit(request)] = request
                    continue
                take(request, stored)
                progress.end(request, stored, simulated=False)
            ended = wait(running, LOOK_SECONDS, FIRST_COMPLETED).done
            progress.update(pool.reports())
            for future in ended:
                request = running.pop(future)
                finished = _result(future, request)
                cache.put("plays", simulation_key(scope, history, request), finished)
                take(request, finished)
                progress.end(request, finished, simulated=True)
    return [done[SimulationRequest(policy, seed)] for policy in policies for seed in seeds[policy]]


def _result(future: Future[Simulation], request: SimulationRequest) -> Simulation:
    try:
        return future.result()
    except BrokenProcessPool as error:
        raise PlatformError(
            f"a process that simulated {request.policy} was killed, perhaps for want of memory: each holds all days. "
            "The same command goes on where it was; try --workers 1"
        ) from error


def simulation_key(scope: ReplayScope, history: History, request: SimulationRequest) -> str:
    """Names a simulation by everything it depends on: data, declaration, policy, days, seed and code."""
    policy = policy_of(scope, request)
    return content_key(
        {
            "data": history.fingerprint,
            "pipeline": policy.pipeline.model_dump(mode="json", exclude={"description", "owner", "schedule", "alerts"}),
            "policy": policy.name,
            "days": None if isinstance(policy, Declared) else sorted(policy.days),
            "played": str(scope.played),
            "seed": request.seed,
            "code": fingerprint(*CODE),
        }
    )
