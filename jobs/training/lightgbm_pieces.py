"""Fitting LightGBM in pieces, as `jobs.training.boosting` fits XGBoost, so that a lost pod does not cost a long fit.

Only a model of more than `PIECE` rounds is fitted so, whether or not anything is stored between the pieces. Every piece
begins with the text of the trees before it, so an interrupted fit gives the same trees as one that was not.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from sklearn.base import clone

from jobs.training import boosting

if TYPE_CHECKING:
    import pandas as pd
    from sklearn.pipeline import Pipeline as Steps

    from jobs.models.prediction import Array
    from jobs.training.boosting import Checkpoints


def in_pieces(model: Steps) -> bool:
    """Whether a model is one of LightGBM's that is long enough; DART changes the trees before, and is none."""
    last = model[-1]
    known = last.get_params()
    ours = type(last).__module__.partition(".")[0] == "lightgbm" and known.get("boosting_type") == "gbdt"
    return bool(ours and known["n_estimators"] > boosting.PIECE)


def fit_pieces(
    model: Steps, frame: pd.DataFrame, truth: Array, checkpoints: Checkpoints | None, weights: Array | None = None
) -> None:
    """Fit a model of LightGBM's in pieces.

    Args:
        model: columns made ready, then the estimator.
        frame: rows to learn from.
        truth: their labels.
        checkpoints: where pieces are stored and found again; None where nobody will go on from them.
        weights: how much each row counts; None: all the same.
    """
    from lightgbm import Booster

    declared, rows = model[-1], model[:-1].fit_transform(frame, truth)
    total, seed = int(declared.get_params()["n_estimators"]), declared.get_params()["random_state"]
    done, content = boosting.unfinished(checkpoints, total)
    text = content.decode()
    began, first = time.monotonic(), done
    while True:
        piece = min(boosting.PIECE, total - done)
        fitted: Any = clone(declared).set_params(n_estimators=piece, random_state=boosting.piece_seed(seed, done))
        before = Booster(model_str=text) if text else None
        fitted.fit(rows, truth, sample_weight=weights, init_model=before)
        done, text = done + piece, fitted.booster_.model_to_string(num_iteration=-1)
        if done >= total:
            break
        boosting.log_progress(done, total, (time.monotonic() - began) / (done - first))
        if checkpoints is not None:
            boosting.save_checkpoint(checkpoints, done, text.encode())
    fitted.set_params(n_estimators=total, random_state=seed)
    fitted._Booster = Booster(model_str=text)  # as in jobs.training.going_on: without the boosters before it
    model.steps[-1] = (model.steps[-1][0], fitted)
