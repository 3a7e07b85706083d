"""Languages: known codes, and how the text of each is cut for scoring."""

from __future__ import annotations

import difflib
import re
import unicodedata
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
_KANA = re.compile("[\u3040-\u30ff]")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_MANY = 0.3
"""Share of letters from which texts are taken to be of their script."""
_SOME_KANA = 0.1
"""Share from which texts in Han letters are Japanese; Chinese has none."""


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
    return _share(texts, UNSPACED_LETTER) > _MANY


def unspaced_script(texts: Sequence[str]) -> str | None:
    """The script of texts without spaces between words: `han`, `kana` (Japanese) or `other`.

    >>> unspaced_script(["我会讲英语。"]), unspaced_script(["彼は学生です。"])
    ('han', 'kana')
    >>> unspaced_script(["ภาษาไทย"]), unspaced_script(["по-русски"])
    ('other', None)
    """
    if not by_characters(None, texts):
        return None
    if _share(texts, _KANA) > _SOME_KANA:
        return "kana"
    return "han" if _share(texts, _HAN) > _MANY else "other"


def mostly_latin(texts: Sequence[str]) -> bool:
    """Whether most letters are Latin, with or without accents; so it is where there are none.

    >>> mostly_latin(["Où est-il ?"]), mostly_latin(["Где он?"]), mostly_latin(["1889"])
    (True, False, True)
    """
    letters = _letters(texts)
    latin = sum(unicodedata.name(letter, "").startswith("LATIN") for letter in letters)
    return len(letters) - latin <= _MANY * len(letters)


def character_tokens(text: str) -> list[str]:
    """Each letter of an unspaced script alone, other words whole, punctuation left out.

    Marks (vowel signs, tones, accents) stay with the letter before them.

    >>> character_tokens("在2008年, GPU 很快。")
    ['在', '2008', '年', 'gpu', '很', '快']
    >>> character_tokens("हिन्दी में")
    ['हिन्दी', 'में']
    """
    tokens: list[str] = []
    open_word = False  # whether the last token goes on with the next letter
    attached = False  # whether a mark would stand right after a letter
    for letter in text.lower():
        if attached and unicodedata.category(letter).startswith("M"):
            tokens[-1] += letter
        elif not letter.isalnum():
            open_word = attached = False
        elif UNSPACED_LETTER.match(letter):
            tokens.append(letter)
            open_word, attached = False, True
        elif open_word:
            tokens[-1] += letter
        else:
            tokens.append(letter)
            open_word = attached = True
    return tokens


def _letters(texts: Sequence[str]) -> list[str]:
    return [letter for text in texts for letter in text if letter.isalpha()]


def _share(texts: Sequence[str], pattern: re.Pattern[str]) -> float:
    letters = _letters(texts)
    return sum(bool(pattern.match(letter)) for letter in letters) / max(1, len(letters))
