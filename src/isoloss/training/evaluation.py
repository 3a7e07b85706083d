"""The loss of a model on held-out tokens: deterministic, the same tokens for every run.

Shape suffixes: B rows, T positions, N predicted tokens, U units (windows or pairs), W longest unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.models import LanguageModel
from isoloss.training.objectives.batch import predicted_logits
from isoloss.training.objectives.evaluation_set import EvaluationSet


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Held-out loss.

    Attributes:
        loss: mean negative log likelihood, nats per predicted token.
        loss_se: its standard error, clustered by document, block or pair; not-a-number with
            one cluster.
        bits_per_byte: loss · tokens / (ln 2 · UTF-8 bytes of the predicted tokens);
            not-a-number where that is no code length of a text.
        tokens: predicted tokens.
        bits_per_byte_reason: why `bits_per_byte` is not a number; empty where it is one.
        domains: the same for each domain of the corpus; empty where it has none.
    """

    loss: float
    loss_se: float
    bits_per_byte: float
    tokens: int
    bits_per_byte_reason: str = ""
    domains: Mapping[str, Evaluation] = field(default_factory=dict)


def evaluate(model: LanguageModel, evaluation_set: EvaluationSet) -> Evaluation:
    """The loss of a model on held-out batches, and that on each domain.

    Labels are not smoothed and nothing is dropped out, whatever training does; the model is
    left in the mode that it came in. Sums are in float64.

    >>> from isoloss.architecture import TransformerConfig
    >>> from isoloss.models import build_model
    >>> from isoloss.training.objectives import Batch
    >>> config = TransformerConfig(
    ...     vocab_size=64, context_length=8, d_model=16, n_layer=1, n_head=1, d_ff=32
    ... )
    >>> tokens = torch.zeros(2, 8, dtype=torch.long)
    >>> batch = Batch(inputs={"tokens": tokens}, targets=tokens.flatten(), tokens=16)
    >>> units = batch.rows_of_targets().numpy()
    >>> held_out = EvaluationSet(batches=(batch,), units=(units,), clusters=np.arange(2))
    >>> evaluate(build_model(config), held_out).tokens
    16
    """
    sums, counts = [], []
    with _judged(model):
        for batch, unit_N in zip(evaluation_set.batches, evaluation_set.units, strict=True):
            here = batch.to(model.embedding.weight.device)
            losses_N = F.cross_entropy(
                predicted_logits(model, here).float(), here.targets, reduction="none"
            )
            count_U = np.bincount(unit_N)
            sums.append(_unit_sums(losses_N, unit_N, count_U))
            counts.append(count_U)
    return _summary(np.concatenate(sums), np.concatenate(counts), evaluation_set)


@contextmanager
def _judged(model: nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards each part is in its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _unit_sums(losses_N: Tensor, unit_N: np.ndarray, count_U: np.ndarray) -> np.ndarray:
    """Summed loss of each unit, (U,) float64; losses are in the order of their units."""
    first_U = np.cumsum(count_U) - count_U
    place_N = torch.from_numpy(np.arange(len(unit_N)) - first_U[unit_N])
    padded_UW = torch.zeros(len(count_U), int(count_U.max()), dtype=torch.float64)
    padded_UW[torch.from_numpy(unit_N), place_N] = losses_N.double().cpu()
    return padded_UW.sum(dim=1).numpy()


def _summary(sums_U: np.ndarray, counts_U: np.ndarray, held_out: EvaluationSet) -> Evaluation:
    whole = np.ones(len(sums_U), dtype=bool)
    domains: dict[str, Evaluation] = {}
    if held_out.domains is not None:
        domains = {
            str(name): _of_units(held_out.domains == name, sums_U, counts_U, held_out, {})
            for name in dict.fromkeys(held_out.domains.tolist())
        }
    return _of_units(whole, sums_U, counts_U, held_out, domains)


def _of_units(
    chosen_U: np.ndarray,
    sums_U: np.ndarray,
    counts_U: np.ndarray,
    held_out: EvaluationSet,
    domains: Mapping[str, Evaluation],
) -> Evaluation:
    """The evaluation of some of the units."""
    n_bytes = None if held_out.unit_bytes is None else int(held_out.unit_bytes[chosen_U].sum())
    return _evaluation(
        sums_U[chosen_U],
        counts_U[chosen_U],
        held_out.clusters[chosen_U],
        n_bytes,
        reason=held_out.no_bytes,
        domains=domains,
    )


def _evaluation(
    sums: np.ndarray,
    counts: np.ndarray | int,
    clusters: np.ndarray,
    n_bytes: int | None,
    *,
    reason: str = "",
    domains: Mapping[str, Evaluation] | None = None,
) -> Evaluation:
    tokens = int(counts * len(sums)) if isinstance(counts, int) else int(counts.sum())
    loss = float(sums.sum() / tokens)
    if n_bytes == 0:
        reason = "the predicted tokens stand for no bytes of text"
    return Evaluation(
        loss=loss,
        loss_se=clustered_standard_error(sums, counts, clusters),
        bits_per_byte=loss * tokens / (math.log(2) * n_bytes) if n_bytes else math.nan,
        tokens=tokens,
        bits_per_byte_reason="" if n_bytes else reason,
        domains=domains or {},
    )


def evaluate_loss(
    model: nn.Module,
    windows: np.ndarray,
    clusters: Sequence[int] | np.ndarray,
    n_bytes: int,
    *,
    batch_size: int = 32,
) -> Evaluation:
    """Evaluate any causal module on windows (W, T + 1) of token ids.

    For modules that are called with tokens (B, T) and give logits (B, T, V). `clusters` (W,)
    names the block of each window, whose first token is only context. Sums are in float64.
    """
    with _judged(model):
        per_window = np.concatenate(
            [
                _window_losses(
                    model, torch.from_numpy(windows[i : i + batch_size].astype(np.int64))
                )
                for i in range(0, len(windows), batch_size)
            ]
        )
    return _evaluation(per_window, windows.shape[1] - 1, np.asarray(clusters), n_bytes)


def _window_losses(model: nn.Module, tokens_BT: Tensor) -> np.ndarray:
    """Summed loss of each window, (B,) float64."""
    logits = model(tokens_BT[:, :-1])
    losses = F.cross_entropy(logits.flatten(0, 1), tokens_BT[:, 1:].flatten(), reduction="none")
    return losses.view(len(tokens_BT), -1).double().sum(dim=1).numpy()


def clustered_standard_error(
    sums: np.ndarray, tokens_per_window: int | np.ndarray, clusters: np.ndarray
) -> float:
    """Standard error of the mean per token when windows of one cluster are dependent.

    The ratio estimator with cluster sums as the independent units (Cochran, Sampling
    Techniques, §9A), with the factor G/(G - 1). Tokens are one number, or one a window.
    """
    _, index = np.unique(clusters, return_inverse=True)
    groups = int(index.max()) + 1
    if groups < 2:
        return math.nan
    sizes = np.broadcast_to(np.asarray(tokens_per_window, dtype=np.float64), sums.shape)
    total = np.bincount(index, weights=sums, minlength=groups)
    tokens = np.bincount(index, weights=sizes, minlength=groups)
    mean = total.sum() / tokens.sum()
    residual = total - mean * tokens
    return float(math.sqrt(groups / (groups - 1) * (residual**2).sum()) / tokens.sum())
