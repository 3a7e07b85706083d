"""From logits to the next token: penalties, temperature, and which tokens may be drawn.

Shape suffixes: B rows, V vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from isoloss.errors import DataError
from isoloss.tasks.generation.settings import GenerationSettings

_SPREAD = 0x9E3779B1


def finite_logits(logits_BV: Tensor) -> Tensor:
    """Logits in float64, so that sampling does not depend on rounding.

    Raises:
        DataError: they are not finite.
    """
    logits_BV = logits_BV.double()
    refuse_infinite(logits_BV.logsumexp(dim=-1).flatten().tolist())
    return logits_BV


def refuse_infinite(sums: Sequence[float]) -> None:
    """Refuse the logits of a damaged model, by the logarithms of their sums.

    Raises:
        DataError: one is not finite.
    """
    if not all(map(math.isfinite, sums)):
        raise DataError(
            "the model gives no finite probabilities: its weights are damaged",
            hint="Train it again.",
        )


def penalised(
    scores_BV: Tensor,
    settings: GenerationSettings,
    seen: Sequence[Sequence[int]],
    made: Sequence[Sequence[int]],
) -> Tensor:
    """Scores after the penalties.

    Args:
        scores_BV: logits (or log-probabilities, in beam search).
        settings: which penalties.
        seen: tokens of each row, prompt included.
        made: its new tokens alone.
    """
    if settings.repetition_penalty == 1 and settings.presence_penalty == 0:
        return scores_BV
    scores_BV = scores_BV.clone()
    for row, (all_of_it, new) in enumerate(zip(seen, made, strict=True)):
        if settings.repetition_penalty != 1:
            at = _index(all_of_it, scores_BV)
            found = scores_BV[row, at]
            penalty = settings.repetition_penalty
            scores_BV[row, at] = torch.where(found > 0, found / penalty, found * penalty)
        if settings.presence_penalty:
            scores_BV[row, _index(new, scores_BV)] -= settings.presence_penalty
    return scores_BV


def _index(tokens: Sequence[int], like: Tensor) -> Tensor:
    return torch.tensor(sorted(set(tokens)), dtype=torch.long, device=like.device)


def probabilities(logits_BV: Tensor, settings: GenerationSettings) -> Tensor:
    """What is drawn from, (B, V): softmax at the temperature over the tokens that may be drawn.

    Exactly k tokens are left by top-k, ties or not; the likeliest is always left.

    >>> logits = torch.tensor([[0.6, 0.3, 0.1]]).log()
    >>> probabilities(logits, GenerationSettings(top_p=0.7)).tolist()[0][2]
    0.0
    """
    scaled_BV = (logits_BV - logits_BV.amax(dim=-1, keepdim=True)) / settings.temperature
    if settings.top_k is not None and settings.top_k < scaled_BV.shape[-1]:
        kept = scaled_BV.topk(settings.top_k, dim=-1).indices
        mask = torch.full_like(scaled_BV, -math.inf).scatter(-1, kept, 0.0)
        scaled_BV = scaled_BV + mask
    if settings.top_p is not None:
        share_BV, order = scaled_BV.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
        before = share_BV.cumsum(dim=-1) - share_BV
        dropped = (before >= settings.top_p).scatter(-1, order, before >= settings.top_p)
        scaled_BV = scaled_BV.masked_fill(dropped, -math.inf)
    if settings.min_p is not None:
        share_BV = scaled_BV.softmax(dim=-1)
        least = settings.min_p * share_BV.amax(dim=-1, keepdim=True)
        scaled_BV = scaled_BV.masked_fill(share_BV < least, -math.inf)
    return scaled_BV.softmax(dim=-1)


def choose(
    logits_BV: Tensor,
    scores_BV: Tensor,
    settings: GenerationSettings,
    generators: Sequence[torch.Generator],
) -> tuple[list[int], list[float]]:
    """The next token of each row and its log-probability; each row has its own generator.

    Args:
        logits_BV: of the model, in float64.
        scores_BV: the same after the penalties.
        settings: how to choose.
        generators: one a row.

    Raises:
        DataError: the model gives no finite probabilities.
    """
    own_BV = logits_BV.log_softmax(dim=-1)
    if settings.temperature == 0:
        tokens_B = scores_BV.argmax(dim=-1)
    else:
        refuse_infinite(own_BV.amax(dim=-1).tolist())
        shares = probabilities(scores_BV, settings).cpu()
        drawn = [
            torch.multinomial(share_V, 1, generator=generator)
            for share_V, generator in zip(shares, generators, strict=True)
        ]
        tokens_B = torch.cat(drawn).to(logits_BV.device)
    own_B = own_BV.gather(1, tokens_B[:, None])[:, 0]
    told = torch.stack((tokens_B.double(), own_B)).tolist()  # one wait for the device
    refuse_infinite(told[1])
    return [int(token) for token in told[0]], told[1]


def generators_of(rows: Sequence[int], seed: int) -> list[torch.Generator]:
    """One generator a row, so that a text does not depend on what else is in the batch.

    PyTorch's generator takes 32 bits of a seed; rows are spread over them by a golden-ratio step.
    """
    return [torch.Generator().manual_seed((row * _SPREAD + seed) % 2**32) for row in rows]
