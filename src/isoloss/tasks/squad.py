"""Exact match and F1 as SQuAD defines them (arXiv:1606.05250, §5.1), for any language.

English answers are compared without case, punctuation and articles, word by word. Answers in
scripts without spaces are compared character by character; F1 counts the characters that both
have, in any order, as SQuAD counts words. CMRC 2018 (arXiv:1810.07366) cuts Chinese in the same
way but counts only the longest run of characters that both have, so its F1 is never above this.

A question without an answer (SQuAD 2, arXiv:1806.03822) has the one reference "": only an answer
without tokens is right.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from isoloss.tasks.languages import character_tokens

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = frozenset(string.punctuation)


def normalised(answer: str) -> str:
    """An answer without case, punctuation, articles and repeated spaces.

    >>> normalised("The  Super Bowl!")
    'super bowl'
    """
    plain = "".join(letter for letter in answer.lower() if letter not in _PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", plain).split())


def answer_tokens(answer: str, *, characters: bool = False) -> list[str]:
    """What is compared of an answer."""
    return character_tokens(answer) if characters else normalised(answer).split()


def exact_match(answer: str, references: Sequence[str], *, characters: bool = False) -> float:
    """1 where an answer equals a reference after normalisation, else 0.

    >>> exact_match("the cat", ["A cat"]), exact_match("a dog", ["A cat"])
    (1.0, 0.0)
    """
    own = answer_tokens(answer, characters=characters)
    return float(any(own == answer_tokens(r, characters=characters) for r in references))


def f1(answer: str, references: Sequence[str], *, characters: bool = False) -> float:
    """The largest overlap with a reference: harmonic mean of precision and recall of tokens.

    Where one of the two has no tokens, 1 if both have none, else 0.

    >>> round(f1("the black cat", ["a cat", "no"]), 4)
    0.6667
    """
    own = answer_tokens(answer, characters=characters)
    return max(_overlap(own, answer_tokens(r, characters=characters)) for r in references)


def _overlap(own: list[str], other: list[str]) -> float:
    if not own or not other:
        return float(own == other)
    shared = sum((Counter(own) & Counter(other)).values())
    return 2 * shared / (len(own) + len(other))
