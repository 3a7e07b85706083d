"""How much a text repeats itself: shares of repeated n-grams, the longest one, loops at the end."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

Word = Hashable
LOOP_PHRASE = 2
"""Words of the shortest phrase that counts as a loop."""
LOOP_TIMES = 3
MARKED = 4
"""Words of the n-grams that pages mark."""


def ngrams(words: Sequence[Word], n: int) -> list[tuple[Word, ...]]:
    """All n-grams, in their order.

    >>> ngrams("abc", 2)
    [('a', 'b'), ('b', 'c')]
    """
    return list(zip(*(words[start:] for start in range(n)), strict=False))


def repeated_share(words: Sequence[Word], n: int) -> float:
    """Share of a text's n-grams that were there before: 1 − distinct / all.

    `seq-rep-n` of Welleck et al. 2019 (arXiv:1908.04319, §6.1); nan for fewer than n words.

    >>> repeated_share("abababab", 4)
    0.6
    """
    found = ngrams(words, n)
    return 1 - len(set(found)) / len(found) if found else math.nan


def longest_repeat(words: Sequence[Word]) -> int:
    """Words of the longest phrase that stands twice or more (it may overlap itself).

    >>> longest_repeat("xabcyabcz"), longest_repeat("aaaa"), longest_repeat("abc")
    (3, 3, 0)
    """
    # Every part of a repeated phrase is repeated, so that the length can be halved in on.
    least, most = 0, max(0, len(words) - 1)
    while least < most:
        middle = (least + most + 1) // 2
        found = ngrams(words, middle)
        if len(set(found)) < len(found):
            least = middle
        else:
            most = middle - 1
    return least


def ends_in_loop(words: Sequence[Word]) -> bool:
    """Whether a text ends with a phrase of two or more words three times in a row.

    The rule of Holtzman et al. 2020 (arXiv:1904.09751) for a text that is stuck.

    >>> ends_in_loop("xyabcabcabc"), ends_in_loop("xyabcabc"), ends_in_loop("xyaaa")
    (True, False, False)
    """
    words = list(words)
    return any(
        words[-size * LOOP_TIMES :] == words[-size:] * LOOP_TIMES
        for size in range(LOOP_PHRASE, len(words) // LOOP_TIMES + 1)
    )


def repeated_spans(
    words: Sequence[Word], spans: Sequence[tuple[int, int]], n: int = MARKED
) -> list[tuple[int, int]]:
    """Parts of a text in n-grams that stood in it before, joined where they touch.

    Args:
        words: of the text.
        spans: where each begins and ends.
        n: words of an n-gram.

    >>> text = "a b c d e a b c d"
    >>> repeated_spans(text.split(), [(i, i + 1) for i in range(0, 17, 2)])
    [(10, 17)]
    """
    seen: set[tuple[Word, ...]] = set()
    found: list[tuple[int, int]] = []
    reached = -1
    for first, gram in enumerate(ngrams(words, n)):
        if gram in seen:
            start, end = spans[first][0], spans[first + n - 1][1]
            if found and first <= reached + 1:
                found[-1] = found[-1][0], end
            else:
                found.append((start, end))
            reached = first + n - 1
        seen.add(gram)
    return found
