"""How probable a figure is by chance: tails of distributions, and corrections where many figures are tested at once.

Policies are decided wherever the core is installed, and the core has no SciPy. Where SciPy has the same, the tests hold
these functions against it. Jobs, which have SciPy, use it directly.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from statistics import NormalDist
from typing import Literal


def normal_equivalent(t: float, freedom: float) -> float:
    """The standard normal value that is as improbable as a Student t: closer to zero with few degrees of freedom.

    Five days give a `t` of 4 by chance as often as many days give one of 2.4. Wallace's approximation (Annals of
    Mathematical Statistics 30, 1959).

    Args:
        t: value, in standard errors.
        freedom: degrees of freedom, more than 0.
    """
    size = math.sqrt(freedom * math.log1p(t * t / freedom)) * _wallace(freedom)
    return math.copysign(size, t)


def student_upper_tail(t: float, freedom: float) -> float:
    """Probability of a Student t above `t`, by the approximation of `normal_equivalent`."""
    return 0.5 * math.erfc(normal_equivalent(t, freedom) / math.sqrt(2))


def student_quantile(probability: float, freedom: float) -> float:
    """The inverse of `student_upper_tail`: the value with `probability` below it."""
    z = NormalDist().inv_cdf(probability) / _wallace(freedom)
    return math.copysign(math.sqrt(freedom * math.expm1(z * z / freedom)), z)


def binomial_upper_tail(count: int, trials: int, share: float) -> float:
    """Probability of `count` or more successes in independent trials.

    Args:
        count: successes.
        trials: how many there were.
        share: probability of a success.

    Returns:
        The probability; 1 where `count` is at most the mean, which is never improbable.
    """
    if count <= trials * share:
        return 1.0
    if share <= 0:
        return 0.0
    if share >= 1:
        return 1.0
    log_term = math.lgamma(trials + 1) - math.lgamma(count + 1) - math.lgamma(trials - count + 1)
    log_term += count * math.log(share) + (trials - count) * math.log1p(-share)
    term = math.exp(log_term)
    total = 0.0
    # Beyond the mean the terms fall ever faster.
    for n in range(count, trials + 1):
        total += term
        if term < total * 1e-12:
            break
        term *= (trials - n) / (n + 1) * share / (1 - share)
    return total


def kolmogorov_smirnov_distance(first: Sequence[float], second: Sequence[float]) -> float:
    """The largest difference between two empirical distribution functions."""
    a, b = sorted(first), sorted(second)
    return max(abs(bisect_right(a, x) / len(a) - bisect_right(b, x) / len(b)) for x in {*a, *b})


def kolmogorov_smirnov_limit(n: int, m: int, confidence: float) -> float:
    """The distance that two samples of one distribution exceed with a probability of `1 - confidence` at most.

    Args:
        n: size of one sample.
        m: size of the other.
        confidence: such as 0.99.
    """
    return math.sqrt(-math.log((1 - confidence) / 2) / 2 * (n + m) / (n * m))


def correct(probabilities: Mapping[str, float], method: Literal["holm", "benjamini_hochberg"]) -> dict[str, float]:
    """Correct a family of probabilities, so that each can be compared with the level alone.

    Args:
        probabilities: by name.
        method: Holm's step-down procedure (Scandinavian Journal of Statistics 6, 1979), or Benjamini's and Hochberg's
            step-up procedure (Journal of the Royal Statistical Society B 57, 1995).

    Returns:
        Corrected probabilities by name, at most 1.
    """
    ordered = sorted(probabilities.items(), key=lambda item: item[1])
    size = len(ordered)
    corrected: dict[str, float] = {}
    if method == "holm":
        highest = 0.0
        for rank, (name, p) in enumerate(ordered):
            highest = max(highest, min(1.0, (size - rank) * p))
            corrected[name] = highest
        return corrected
    lowest = 1.0
    for rank, (name, p) in reversed(list(enumerate(ordered))):
        lowest = min(lowest, p * size / (rank + 1))
        corrected[name] = lowest
    return corrected


def _wallace(freedom: float) -> float:
    return (8 * freedom + 1) / (8 * freedom + 3)
