"""How different texts are from each other: figures of a pool, each as terms of its texts.

The number of different n-grams, or a slope of ranks, is no sum over texts, and a bootstrap that
draws a text twice finds too few different n-grams. So each text's term is what the pool's figure
owes to it, by leaving it out (the jackknife): θ + (G − 1)(mean of θ₋ − θ₋ᵢ). The mean of the
terms is θ itself, and their spread over resamples is the jackknife's standard error, which is
never too small on average (Efron and Stein 1981, "The jackknife estimate of variance").

Shape suffixes: G groups of texts (documents), V different words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from isoloss.tasks.metric import FloatArray
from isoloss.tasks.repetition import Word, ngrams

ZIPF_RANKS = 5000
"""Ranks in the line, as in the code of arXiv:1904.09751."""
BLEU_ORDER = 4
Texts = Sequence[Sequence[Word]]


def jackknife_terms(whole: float, without_G: FloatArray) -> FloatArray:
    """The term of each group, (G,), from a figure of all and of all but that group.

    The figure itself for each where a group cannot be left out.

    >>> values = np.array([1.0, 2.0, 6.0])
    >>> jackknife_terms(3.0, (values.sum() - values) / 2).tolist()
    [1.0, 2.0, 6.0]
    """
    if not np.isfinite(without_G).all():
        return np.full_like(without_G, whole)
    return whole + (len(without_G) - 1) * (without_G.mean() - without_G)


def distinct_terms(texts: Texts, groups: NDArray[np.int64], n: int) -> FloatArray:
    """Terms (G,) of distinct-n: different n-grams of the pool over all of its n-grams.

    Li et al. 2016 (arXiv:1510.03055), who divide by words instead of n-grams; here 1 is reached
    where none repeats.

    Args:
        texts: as words.
        groups: the group of each, from 0.
        n: words of an n-gram.

    >>> distinct_terms(["ab", "bc"], np.array([0, 1]), 1).mean().item()
    0.75
    """
    owner: dict[tuple[Word, ...], int] = {}
    count = int(groups.max(initial=-1)) + 1
    total_G = np.zeros(count)
    for text, group in zip(texts, groups.tolist(), strict=True):
        found = ngrams(text, n)
        total_G[group] += len(found)
        for gram in found:
            if owner.setdefault(gram, group) != group:
                owner[gram] = -1
    alone = Counter(owner.values())
    own_G = np.array([alone[group] for group in range(count)], dtype=np.float64)
    with np.errstate(all="ignore"):
        whole = float(np.float64(len(owner)) / total_G.sum())
        without_G = (len(owner) - own_G) / (total_G.sum() - total_G)
    return jackknife_terms(whole, without_G)


def zipf_exponent(counts_V: FloatArray) -> float:
    """Minus the slope of log frequency over log rank (least squares), the first 5,000 ranks.

    Holtzman et al. 2020 (arXiv:1904.09751); nan for fewer than two different words.

    >>> round(zipf_exponent(1000 / np.arange(1.0, 50.0) ** 1.2), 6)
    1.2
    """
    ranked = np.sort(counts_V[counts_V > 0])[::-1][:ZIPF_RANKS]
    if len(ranked) < 2:
        return float("nan")
    x = np.log(np.arange(1, len(ranked) + 1))
    x -= x.mean()
    return -float(x @ np.log(ranked) / (x @ x))


def zipf_terms(texts: Texts, groups: NDArray[np.int64]) -> FloatArray:
    """Terms (G,) of the exponent of Zipf's law in a pool of texts (as words)."""
    places: dict[Word, int] = {}
    count = int(groups.max(initial=-1)) + 1
    of_group: list[Counter[int]] = [Counter() for _ in range(count)]
    for text, group in zip(texts, groups.tolist(), strict=True):
        of_group[group].update(places.setdefault(word, len(places)) for word in text)
    counts_V = np.zeros(len(places))
    for found in of_group:
        counts_V[list(found)] += list(found.values())
    without_G = np.empty(count)
    for group, found in enumerate(of_group):
        left_V = counts_V.copy()
        left_V[list(found)] -= list(found.values())
        without_G[group] = zipf_exponent(left_V)
    return jackknife_terms(zipf_exponent(counts_V), without_G)


def self_bleu(texts: Texts) -> FloatArray:
    """BLEU-4 of each text with all others as its references, 0 to 1 (Zhu et al. 2018,
    arXiv:1802.01886); nan for an empty text and where there are no others.

    As sacrebleu's `sentence_bleu` with its default smoothing on words as they are. The n-grams of
    the references are counted once for all texts: for each, its two largest counts tell what it
    counts at most in the others.
    """
    from sacrebleu.metrics.bleu import BLEU

    if len(texts) < 2:
        return np.full(len(texts), np.nan)
    orders = range(1, BLEU_ORDER + 1)
    counted = [Counter(gram for n in orders for gram in ngrams(text, n)) for text in texts]
    best: dict[tuple[Word, ...], tuple[int, int, int]] = {}  # most, whose, and the next most
    for index, counts in enumerate(counted):
        for gram, count in counts.items():
            most, whose, second = best.get(gram, (0, -1, 0))
            if count > most:
                best[gram] = count, index, most
            elif count > second:
                best[gram] = most, whose, count
    found = np.full(len(texts), np.nan)
    lengths = Counter(map(len, texts))
    for index, (text, counts) in enumerate(zip(texts, counted, strict=True)):
        if not text:
            continue
        correct, total = [0] * BLEU_ORDER, [max(0, len(text) - n + 1) for n in orders]
        for gram, count in counts.items():
            most, whose, second = best[gram]
            correct[len(gram) - 1] += min(count, second if whose == index else most)
        others = lengths - Counter([len(text)])
        nearest = min(others, key=lambda length: (abs(length - len(text)), length))
        score = BLEU.compute_bleu(
            correct, total, len(text), nearest, smooth_method="exp", effective_order=True
        )
        found[index] = score.score / 100
    return found
