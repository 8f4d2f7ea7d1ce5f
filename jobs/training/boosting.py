"""Fitting XGBoost in pieces, so that a long fit goes on where a lost pod had come to.

A model of more than `PIECE` rounds is fitted piece after piece, whether or not anything is stored between them: so a
fit that was interrupted gives the same bytes as one that was not. The pieces differ from one long fit only where rows
or columns are sampled, since each piece begins with a seed of its own.
"""

from __future__ import annotations

import logging
import time
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tidewheel.runs import run_folder

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline as Steps

    from jobs.models.prediction import Array
    from tidewheel.lake import Lake

PIECE = 250
"""Rounds between two checkpoints."""
SUFFIX = ".checkpoint"
log = logging.getLogger("tidewheel.fitting")


class Checkpoints:
    """The pieces of one fit, in the folder of its run.

    Args:
        lake: of the pipeline.
        run_id: of the training.
        fit: names everything that the model follows from; another fit does not see these checkpoints.
    """

    def __init__(self, lake: Lake, run_id: str, fit: str) -> None:
        self._store = lake.store
        self._folder = checkpoint_folder(lake, run_id)
        self._fit = sha256(fit.encode()).hexdigest()[:16]

    def save(self, rounds: int, booster: bytes) -> None:
        """Store a booster of so many rounds; its name holds its digest."""
        name = f"{self._fit}-{rounds:06}-{sha256(booster).hexdigest()}{SUFFIX}"
        self._store.replace(f"{self._folder}/{name}", booster)

    def newest(self) -> tuple[int, bytes] | None:
        """Rounds and content of the checkpoint of most rounds whose bytes are as its name says; None without one."""
        for name in reversed(self._store.list_folder(self._folder)):
            fit, _, rest = name.removesuffix(SUFFIX).partition("-")
            if fit != self._fit or not name.endswith(SUFFIX):
                continue
            rounds, _, digest = rest.partition("-")
            content = self._store.read(f"{self._folder}/{name}")
            if content is not None and sha256(content).hexdigest() == digest:
                return int(rounds), content
            log.warning("checkpoint %s is damaged: it is not used", name)
        return None


def checkpoint_folder(lake: Lake, run_id: str) -> str:
    """Folder of a run's checkpoints, relative to the lake's root."""
    return f"{lake.pipeline}/runs/{run_folder(run_id)}/checkpoints"


def is_boosted(model: Steps) -> bool:
    """Whether a model is one of XGBoost's that grows tree after tree; a linear booster and DART are not."""
    known = model[-1].get_params()
    return hasattr(model[-1], "get_booster") and known.get("booster") in (None, "gbtree")


def fit_boosted(
    model: Steps,
    frame: pd.DataFrame,
    truth: Array,
    checkpoints: Checkpoints | None,
    weights: Array | None = None,
) -> None:
    """Fit a model of XGBoost's in pieces.

    Args:
        model: columns made ready, then the estimator.
        frame: rows to learn from.
        truth: their labels.
        checkpoints: where pieces are stored and found again; None where nobody will go on from them.
        weights: how much each row counts; None: all the same.
    """
    estimator, rows = model[-1], model[:-1].fit_transform(frame, truth)
    total, seed = int(estimator.get_num_boosting_rounds()), estimator.get_params()["random_state"]
    declared = {"n_estimators": estimator.get_params()["n_estimators"], "random_state": seed}
    done, booster = _last_piece(checkpoints, total)
    began, first = time.monotonic(), done
    while done < total or booster is None:
        piece = min(PIECE, total - done)
        estimator.set_params(n_estimators=piece, random_state=piece_seed(seed, done))
        estimator.fit(rows, truth, sample_weight=weights, xgb_model=booster)
        done, booster = done + piece, estimator.get_booster()
        if done < total:
            log_progress(done, total, (time.monotonic() - began) / (done - first))
            if checkpoints is not None:
                save_checkpoint(checkpoints, done, bytes(booster.save_raw("ubj")))
    estimator.set_params(**declared)


def save_checkpoint(checkpoints: Checkpoints, rounds: int, booster: bytes) -> None:
    """Store a piece; where that fails, the fit goes on without."""
    try:
        checkpoints.save(rounds, booster)
    except Exception as error:  # whatever a kind of store raises: the fit itself needs none
        log.warning("round %s is not stored (%s): a retry would fit it again", f"{rounds:,}", error)


def newest_checkpoint(checkpoints: Checkpoints) -> tuple[int, bytes] | None:
    """The newest whole piece; None without one, and where none can be read."""
    try:
        return checkpoints.newest()
    except Exception as error:  # as above
        log.warning("no checkpoint of an attempt before can be read (%s): fitting anew", error)
        return None


def unfinished(checkpoints: Checkpoints | None, total: int) -> tuple[int, bytes]:
    """Rounds and content of the checkpoint that a fit of so many rounds goes on from; (0, b"") where it begins anew."""
    checkpoint = newest_checkpoint(checkpoints) if checkpoints is not None else None
    if checkpoint is None or checkpoint[0] >= total:
        return 0, b""
    log.info("goes on from round %s, which an attempt before this one had reached", f"{checkpoint[0]:,}")
    return checkpoint


def log_progress(done: int, total: int, seconds_a_round: float) -> None:
    """Log how far a fit has come, and how long the rest will take."""
    log.info("%s of %s rounds; about %.0f s to go", f"{done:,}", f"{total:,}", seconds_a_round * (total - done))


def _last_piece(checkpoints: Checkpoints | None, total: int) -> tuple[int, Any]:
    import xgboost

    rounds, content = unfinished(checkpoints, total)
    if not rounds:
        return 0, None
    booster = xgboost.Booster()
    booster.load_model(bytearray(content))
    return rounds, booster


def piece_seed(seed: object, done: int) -> object:
    """The seed of the piece that begins after so many rounds."""
    return seed + done if isinstance(seed, int) else seed
