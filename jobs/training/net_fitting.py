"""Fitting a tabular net by PyTorch: the one module that needs torch.

Each epoch draws with a seed of its own, and a checkpoint holds the weights and the optimizer's state: so a fit that was
interrupted gives the same weights as one that was not.
"""

from __future__ import annotations

import io
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from jobs.training.boosting import newest_checkpoint, save_checkpoint

if TYPE_CHECKING:
    from jobs.models.prediction import Array
    from jobs.training.boosting import Checkpoints
    from jobs.training.tabular_net import TabularNet

PIECE = 5
"""Epochs between two checkpoints."""
log = logging.getLogger("tidewheel.fitting")


def learn(
    net: TabularNet,
    rows: Any,
    targets: Array,
    weights: Array | None,
    epochs: int,
    checkpoints: Checkpoints | None,
) -> None:
    """Pass over rows; what is learned is written into the net as NumPy arrays.

    Args:
        net: with `weights_`, it goes on from them; else it begins with drawn ones.
        rows: a matrix, sparse or not.
        targets: labels, scaled.
        weights: how much each row counts; None: all the same.
        epochs: passes over the rows.
        checkpoints: where a state is stored every few epochs; None: nowhere.
    """
    device = _device(net.device)
    torch.manual_seed(net.random_state)
    module = _module(net, rows.shape[1]).to(device)
    optimizer = torch.optim.AdamW(module.parameters(), lr=net.learning_rate, weight_decay=net.weight_decay)
    done = _restored(checkpoints, module, optimizer, epochs, device)
    batches = _Batches(rows, targets, weights, net.batch_size, device)
    began, first = time.monotonic(), done
    while done < epochs:
        _epoch(net, module, optimizer, batches, net.random_state + done)
        done += 1
        if done % PIECE == 0 and done < epochs:
            left = (time.monotonic() - began) / (done - first) * (epochs - done)
            log.info("%s of %s epochs; about %.0f s to go", done, epochs, left)
            if checkpoints is not None:
                save_checkpoint(checkpoints, done, _state(module, optimizer))
    layers = [layer for layer in module if isinstance(layer, nn.Linear)]
    net.weights_ = [layer.weight.detach().cpu().numpy().T.copy() for layer in layers]
    net.biases_ = [layer.bias.detach().cpu().numpy().copy() for layer in layers]
    net.device_ = str(device)


@dataclass(frozen=True)
class _Batches:
    """Rows on their way to the device."""

    rows: Any
    targets: Array
    weights: Array | None
    size: int
    device: torch.device

    def drawn(self, seed: int) -> Any:
        """All rows in an order of their own, batch after batch: values, targets, weights."""
        order = np.random.default_rng(seed).permutation(len(self.targets))
        for first in range(0, len(order), self.size):
            at = order[first : first + self.size]
            some = self.rows[at]
            values = some.toarray() if hasattr(some, "toarray") else some
            counts = np.ones(len(at)) if self.weights is None else np.asarray(self.weights)[at]
            yield tuple(
                torch.as_tensor(np.asarray(part, dtype=np.float32), device=self.device)
                for part in (values, self.targets[at], counts)
            )


def _epoch(net: TabularNet, module: nn.Module, optimizer: Any, batches: _Batches, seed: int) -> None:
    torch.manual_seed(seed)
    module.train()
    for values, targets, counts in batches.drawn(seed):
        optimizer.zero_grad()
        loss = (_losses(net, module(values), targets) * counts).mean()
        loss.backward()
        optimizer.step()


def _losses(net: TabularNet, raw: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """One a row."""
    if net.link_ == "softmax":
        return nn.functional.cross_entropy(raw, targets.long(), reduction="none")
    raw = raw[:, 0]
    if net.link_ == "logit":
        return nn.functional.binary_cross_entropy_with_logits(raw, targets, reduction="none")
    if net.link_ == "log":
        return nn.functional.poisson_nll_loss(raw, targets, log_input=True, reduction="none")
    if net.loss == "quantile":
        short = targets - raw
        return torch.maximum(net.quantile * short, (net.quantile - 1) * short)
    return nn.functional.mse_loss(raw, targets, reduction="none")


def _module(net: TabularNet, width: int) -> nn.Sequential:
    layers = list[nn.Module]()
    for units in net.hidden:
        layers += [nn.Linear(width, units), nn.ReLU(), nn.Dropout(net.dropout)]
        width = units
    layers.append(nn.Linear(width, net.width_))
    module = nn.Sequential(*layers)
    if hasattr(net, "weights_"):
        linear = [layer for layer in layers if isinstance(layer, nn.Linear)]
        with torch.no_grad():
            for layer, weights, biases in zip(linear, net.weights_, net.biases_, strict=True):
                layer.weight.copy_(torch.from_numpy(weights.T.copy()))
                layer.bias.copy_(torch.from_numpy(biases))
    return module


def _device(declared: str) -> torch.device:
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if declared == "auto" else declared)


def _state(module: nn.Module, optimizer: Any) -> bytes:
    written = io.BytesIO()
    torch.save({"module": module.state_dict(), "optimizer": optimizer.state_dict()}, written)
    return written.getvalue()


def _restored(
    checkpoints: Checkpoints | None, module: nn.Module, optimizer: Any, epochs: int, device: torch.device
) -> int:
    """Epochs that an attempt before this one had come to, with its state taken over."""
    checkpoint = newest_checkpoint(checkpoints) if checkpoints is not None else None
    if checkpoint is None or checkpoint[0] >= epochs:
        return 0
    done, content = checkpoint
    state = torch.load(io.BytesIO(content), map_location=device, weights_only=True)
    module.load_state_dict(state["module"])
    optimizer.load_state_dict(state["optimizer"])
    log.info("goes on from epoch %s, which an attempt before this one had reached", done)
    return done
