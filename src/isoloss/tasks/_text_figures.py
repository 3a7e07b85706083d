"""Figures of generated texts, and of what people wrote in their place, as rows of statistics.

Shape suffixes: S samples of each prompt, N prompts, G documents.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from isoloss.tasks.diversity import distinct_terms, self_bleu, zipf_terms
from isoloss.tasks.metric import FloatArray, Metric, compare_scores, mean_metric
from isoloss.tasks.repetition import Word, ends_in_loop, longest_repeat, repeated_share

HUMAN = "human_"
"""Before the name of a metric: the same of the human texts, cut to the same words."""
Texts = Sequence[Sequence[Word]]

_OF_TEXT: dict[str, Callable[[Sequence[Word]], float]] = {
    "seq_rep_4": lambda words: repeated_share(words, 4),
    "seq_rep_3": lambda words: repeated_share(words, 3),
    "seq_rep_2": lambda words: repeated_share(words, 2),
    "longest_repeat": lambda words: float(longest_repeat(words)),
    "loop_share": lambda words: float(ends_in_loop(words)),
}
_OF_POOL: dict[str, Callable[[Texts, NDArray[np.int64]], FloatArray]] = {
    "distinct_1": lambda texts, groups: distinct_terms(texts, groups, 1),
    "distinct_2": lambda texts, groups: distinct_terms(texts, groups, 2),
    "distinct_3": lambda texts, groups: distinct_terms(texts, groups, 3),
    "zipf": zipf_terms,
}


def _measured(name: str, unit: str, higher_is_better: bool) -> tuple[Metric, Metric]:
    # A person's text is a yardstick: nobody wants it higher or lower.
    own = mean_metric(name, higher_is_better=higher_is_better, unit=unit)
    return own, mean_metric(HUMAN + name, unit=unit)


MEASURED: tuple[Metric, ...] = (
    *_measured("distinct_1", "share", True),
    *_measured("distinct_2", "share", True),
    *_measured("distinct_3", "share", True),
    *_measured("seq_rep_2", "share", False),
    *_measured("seq_rep_3", "share", False),
    *_measured("seq_rep_4", "share", False),
    *_measured("longest_repeat", "words", False),
    *_measured("loop_share", "share", False),
    *_measured("self_bleu", "share", False),
    *_measured("zipf", "exponent", True),
    *_measured("memorised_share", "share", False),
)


def cut_alike(made: Texts, human: Texts) -> tuple[Texts, Texts]:
    """Both with the words of the shorter, text by text."""
    sizes = [min(len(a), len(b)) for a, b in zip(made, human, strict=True)]
    return (
        [text[:size] for text, size in zip(made, sizes, strict=True)],
        [text[:size] for text, size in zip(human, sizes, strict=True)],
    )


def of_texts(pools: Sequence[Texts]) -> dict[str, FloatArray]:
    """Figures (N,) of single texts, the mean over samples; nan where there is none."""
    found = {
        name: mean_over_samples([np.array([figure(text) for text in texts]) for texts in pools])
        for name, figure in _OF_TEXT.items()
    }
    return found | {"self_bleu": mean_over_samples([self_bleu(texts) for texts in pools])}


def of_pools(pools: Sequence[Texts], groups: NDArray[np.int64]) -> dict[str, FloatArray]:
    """Statistics (N, 2) of figures of a pool, the mean over the samples' pools.

    A term belongs to a document; its passages share it.
    """
    sizes_G = np.bincount(groups)
    found: dict[str, FloatArray] = {}
    for name, figure in _OF_POOL.items():
        terms_G = np.mean([figure(texts, groups) for texts in pools], axis=0)
        weight_N = 1 / sizes_G[groups]
        found[name] = np.stack([terms_G[groups] * weight_N, weight_N], axis=1)
    return found


def mean_over_samples(values_SN: Sequence[FloatArray]) -> FloatArray:
    """The mean of what there is, (N,)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # no sample has the figure: nan
        return np.nanmean(values_SN, axis=0)


def rows_of(values: FloatArray) -> FloatArray:
    """Statistics (N, 2) of a mean over the texts that have the figure."""
    there = np.isfinite(values)
    return np.stack([np.where(there, values, 0.0), there.astype(np.float64)], axis=1)


def beyond_human(
    terms: Mapping[Metric, FloatArray],
    clusters: NDArray[np.int64] | None,
    *,
    level: float,
    seed: int,
) -> str:
    """What each figure is above that of the human texts, paired text by text, as a note."""
    rows = {metric.name: statistics for metric, statistics in terms.items()}
    told: list[str] = []
    for metric in terms:
        if HUMAN + metric.name not in rows:
            continue
        found = compare_scores(
            metric,
            rows[HUMAN + metric.name],
            rows[metric.name],
            clusters=clusters,
            level=level,
            seed=seed,
        ).difference
        interval = f" [{found.low:+.3g}, {found.high:+.3g}]" if found.low == found.low else ""
        told.append(f"{metric.name} {found.value:+.3g}{interval}")
    return f"above the human texts, paired: {'; '.join(told)}"
