"""The loss of a model on held-out tokens: deterministic, the same tokens for every run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Held-out loss.

    Attributes:
        loss: mean negative log likelihood, nats per token.
        loss_se: its standard error, clustered by document or block; not-a-number with one
            cluster.
        bits_per_byte: loss · tokens / (ln 2 · UTF-8 bytes of the predicted tokens).
        tokens: predicted tokens.
    """

    loss: float
    loss_se: float
    bits_per_byte: float
    tokens: int


def evaluate_loss(
    model: nn.Module,
    windows: np.ndarray,
    clusters: Sequence[int] | np.ndarray,
    n_bytes: int,
    *,
    batch_size: int = 32,
) -> Evaluation:
    """Evaluate on windows (W, T + 1) of token ids; `clusters` (W,) names their block.

    The first token of a window is only context. Sums are in float64.
    """
    per_window = np.concatenate(
        [
            _window_losses(model, torch.from_numpy(windows[i : i + batch_size].astype(np.int64)))
            for i in range(0, len(windows), batch_size)
        ]
    )
    per_token = windows.shape[1] - 1
    tokens = per_token * len(windows)
    loss = float(per_window.sum() / tokens)
    return Evaluation(
        loss=loss,
        loss_se=clustered_standard_error(per_window, per_token, np.asarray(clusters)),
        bits_per_byte=loss * tokens / (math.log(2) * n_bytes),
        tokens=tokens,
    )


@torch.no_grad()
def _window_losses(model: nn.Module, tokens_BT: Tensor) -> np.ndarray:
    """Summed loss of each window, (B,) float64."""
    logits = model(tokens_BT[:, :-1])
    losses = F.cross_entropy(logits.flatten(0, 1), tokens_BT[:, 1:].flatten(), reduction="none")
    return losses.view(len(tokens_BT), -1).double().sum(dim=1).numpy()


def clustered_standard_error(
    sums: np.ndarray, tokens_per_window: int, clusters: np.ndarray
) -> float:
    """Standard error of the mean per token when windows of one cluster are dependent.

    The ratio estimator with cluster sums as the independent units (Cochran, Sampling
    Techniques, §9A), with the factor G/(G - 1).
    """
    _, index = np.unique(clusters, return_inverse=True)
    groups = int(index.max()) + 1
    if groups < 2:
        return math.nan
    total = np.bincount(index, weights=sums, minlength=groups)
    tokens = np.bincount(index, minlength=groups) * float(tokens_per_window)
    mean = total.sum() / tokens.sum()
    residual = total - mean * tokens
    return float(math.sqrt(groups / (groups - 1) * (residual**2).sum()) / tokens.sum())
