"""Beam search: the likeliest texts, found by keeping the best few beginnings.

The rules are those of `transformers` with its default `early_stopping=False`, so that both find
the same texts: of k beams twice as many candidates are looked at, and k more for each further
entry that ends a text; one that ends counts where it is among the best k; a search is over where
no running beginning, at its present length, would outrank the worst of k finished texts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from isoloss.tasks.conventions import Conventions
from isoloss.tasks.generation.sampling import finite_logits, penalised
from isoloss.tasks.generation.settings import GenerationSettings
from isoloss.tasks.sessions import Session


@dataclass(frozen=True)
class Hypothesis:
    """A finished text: tokens (the end of text left out), score, log-probability of each."""

    tokens: tuple[int, ...]
    score: float
    log_probs: tuple[float, ...]
    ended: bool


@dataclass
class _Search:
    """Where the search of one prompt stands; a beam is its tokens and their log-probabilities."""

    seen: list[int]
    beams: list[tuple[int, ...]]
    log_probs: list[tuple[float, ...]]
    scores: list[float]
    finished: list[Hypothesis] = field(default_factory=list)
    over: bool = False


def beam_search(
    session: Session,
    settings: GenerationSettings,
    *,
    ends: tuple[int, ...],
    max_tokens: int,
    conventions: Conventions | None = None,
) -> list[list[Hypothesis]]:
    """The finished texts of each row, the best first.

    Args:
        session: not begun yet, one row a prompt.
        settings: `beams`, `length_penalty` and penalties.
        ends: the tokens that end a text.
        max_tokens: longest text.
        conventions: what is forced and never written.
    """
    k = settings.beams
    rules = conventions or Conventions()
    searches = [
        _Search(
            seen=list(row),
            beams=[()] * k,
            log_probs=[()] * k,
            scores=[0.0] + [-math.inf] * (k - 1),
        )
        for row in session.rows
    ]
    logits_BV = session.begin()
    session.keep([row for row in range(len(searches)) for _ in range(k)])
    logits_BV = logits_BV.repeat_interleave(k, dim=0)
    live = list(range(len(searches)))
    for length in range(1, max_tokens + 1):
        shares_BV = finite_logits(logits_BV).log_softmax(dim=-1)
        running = [searches[index] for index in live]
        seen = [[*s.seen, *beam] for s in running for beam in s.beams]
        made = [beam for s in running for beam in s.beams]
        last = length == max_tokens
        scores_BV = rules.directed(
            penalised(shares_BV, settings, seen, made), first=length == 1, last=last
        )
        parents: list[int] = []
        for place, search in enumerate(running):
            rows = slice(place * k, (place + 1) * k)
            origin = _extend(
                search,
                scores_BV[rows],
                shares_BV[rows],
                settings,
                ends=ends,
                length=length,
                last=last,
                forced=last and bool(rules.last),
            )
            if not search.over:
                parents += [place * k + beam for beam in origin]
        live = [index for index in live if not searches[index].over]
        if not live:
            break
        session.keep(parents)
        logits_BV = session.step([beam[-1] for index in live for beam in searches[index].beams])
    return [search.finished for search in searches]


def _extend(
    search: _Search,
    scores_KV: Tensor,
    shares_KV: Tensor,
    settings: GenerationSettings,
    *,
    ends: tuple[int, ...],
    length: int,
    last: bool,
    forced: bool,
) -> list[int]:
    """Take one more token in every beam; returns the beam that each new one comes from."""
    k, vocabulary = settings.beams, scores_KV.shape[-1]
    before = torch.tensor(search.scores, dtype=torch.float64, device=scores_KV.device)
    total_N = (scores_KV + before[:, None]).flatten()
    best = total_N.topk(min((1 + len(ends)) * k, len(total_N)))
    kept: list[tuple[float, int, int]] = []
    for rank, (score, at) in enumerate(
        zip(best.values.tolist(), best.indices.tolist(), strict=True)
    ):
        if score == -math.inf:
            continue
        beam, token = divmod(at, vocabulary)
        ended = token in ends
        if not ended and not last:
            kept.append((score, beam, token))
        elif rank < k:
            share = float(shares_KV[beam, token])
            search.finished.append(
                Hypothesis(
                    tokens=(*search.beams[beam], *(() if ended else (token,))),
                    score=score / length**settings.length_penalty,
                    log_probs=(*search.log_probs[beam], *(() if ended else (share,))),
                    ended=ended and not forced,
                )
            )
    search.finished = sorted(search.finished, key=lambda h: -h.score)[:k]
    kept = kept[:k]
    search.log_probs = [
        (*search.log_probs[beam], float(shares_KV[beam, token])) for _, beam, token in kept
    ]
    search.beams = [(*search.beams[beam], token) for _, beam, token in kept]
    search.scores = [score for score, _, _ in kept]
    full = len(search.finished) == k
    hopeless = full and (
        not kept or search.scores[0] / length**settings.length_penalty <= search.finished[-1].score
    )
    search.over = last or not kept or hopeless
    return [beam for _, beam, _ in kept] if len(kept) == k else _filled(search, kept, k)


def _filled(search: _Search, kept: list[tuple[float, int, int]], k: int) -> list[int]:
    """Beams without a continuation (a vocabulary smaller than the beams) count for nothing."""
    origin = [beam for _, beam, _ in kept]
    while kept and len(search.beams) < k:
        search.beams.append(search.beams[0])
        search.log_probs.append(search.log_probs[0])
        search.scores.append(-math.inf)
        origin.append(origin[0])
    return origin
