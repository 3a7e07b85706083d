"""Languages: known codes, and how the text of each is cut for scoring."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

from isoloss.errors import UsageError

# ISO 639-1.
_CODES = """
    aa ab ae af ak am an ar as av ay az ba be bg bh bi bm bn bo br bs ca ce ch co cr cs cu
    cv cy da de dv dz ee el en eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi
    ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn ko kr ks
    ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl
    nn no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl
    sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to tr ts tt tw ty ug uk ur uz ve
    vi vo wa wo xh yi yo za zh zu
"""
CODES = frozenset(_CODES.split())
UNSPACED = frozenset({"zh", "ja", "th", "lo", "km", "my", "bo"})
"""Languages that are written without spaces between words."""
UNSPACED_LETTER = re.compile(
    "[\u3400-\u9fff\uf900-\ufaff\u3040-\u30ff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u0f00-\u0fff"
    "\U00020000-\U0003ffff]"
)
_MANY = 0.3
"""Share of such letters from which a text is taken to have no spaces between words."""


def check_language(code: str | None) -> str | None:
    """A language's code in lower case, without region (`zh-CN` is `zh`); None stays None.

    Raises:
        UsageError: no code of ISO 639-1; the hint has the closest.

    >>> check_language("ZH_cn")
    'zh'
    """
    if code is None:
        return None
    plain = re.split("[-_]", code.strip().lower())[0]
    if plain not in CODES:
        close = difflib.get_close_matches(plain, sorted(CODES), n=3, cutoff=0.4)
        raise UsageError(
            f"unknown language {code!r}",
            hint="Give a code of ISO 639-1, such as en or zh"
            + (f"; close ones: {', '.join(close)}." if close else "."),
        )
    return plain


def by_characters(language: str | None, texts: Sequence[str]) -> bool:
    """Whether texts are scored character by character: by their language, else by their letters.

    >>> by_characters(None, ["我会讲英语。"]), by_characters(None, ["I can."])
    (True, False)
    """
    if language is not None:
        return language in UNSPACED
    letters = [letter for text in texts for letter in text if letter.isalpha()]
    unspaced = sum(bool(UNSPACED_LETTER.match(letter)) for letter in letters)
    return unspaced > _MANY * max(1, len(letters))


def character_tokens(text: str) -> list[str]:
    """Each letter of an unspaced script alone, other words whole, punctuation left out.

    >>> character_tokens("在2008年, GPU 很快。")
    ['在', '2008', '年', 'gpu', '很', '快']
    """
    tokens: list[str] = []
    word = ""
    for letter in text.lower():
        unspaced = bool(UNSPACED_LETTER.match(letter)) and letter.isalnum()
        if letter.isalnum() and not unspaced:
            word += letter
            continue
        if word:
            tokens.append(word)
            word = ""
        if unspaced:
            tokens.append(letter)
    return [*tokens, word] if word else tokens
