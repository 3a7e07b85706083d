"""Repair of texts, and filters that count what they drop and why.

The defaults change only what is not text: control characters and foreign line ends. NFC is off
because it merges characters that source code may tell apart (`re/_casefix.py` of Python's own
library holds such). Every filter is off by default.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from isoloss.corpus.selection.quality import repeated_lines, repeated_ngrams, shares
from isoloss.errors import EnvironmentProblem, UsageError

# C0 without tab, line feed, form feed, carriage return; DEL; C1 without NEL, a line break.
_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f]")
_NGRAM = 5
"""The shortest of Gopher's duplicate n-grams: every longer repetition holds such ones."""


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """What is done to a text, in this order, and which texts are dropped.

    Attributes:
        repair: "auto" mends text that was decoded wrongly (`schÃ¶n`) with `ftfy`, and nothing
            else of ftfy's; "off" does not look.
        line_ends: `\\r\\n` and `\\r` become `\\n`.
        controls: control characters are removed, but for tab, line and page breaks.
        nfc: Unicode normalisation form C.
        min_characters, max_characters: length of a text.
        min_letters, max_digits, max_symbols: shares of the characters that are no white space.
        max_repeated_lines: share of the characters in lines that stood before (Gopher: 0.2).
        max_repeated_ngrams: share of the text in repeated runs of five words (Gopher: 0.15).

    A filter that is None is off.
    """

    repair: Literal["off", "auto"] = "off"
    line_ends: bool = True
    controls: bool = True
    nfc: bool = False
    min_characters: int | None = None
    max_characters: int | None = None
    min_letters: float | None = None
    max_digits: float | None = None
    max_symbols: float | None = None
    max_repeated_lines: float | None = None
    max_repeated_ngrams: float | None = None

    def __post_init__(self) -> None:
        if self.repair not in ("off", "auto"):
            raise UsageError(f"repair must be 'off' or 'auto', found {self.repair!r}")
        for field in fields(self):
            value = getattr(self, field.name)
            if value is None or isinstance(value, (bool, str)):
                continue
            if field.name.endswith("_characters"):
                if value < 0:
                    raise UsageError(f"{field.name} must not be negative, found {value}")
            elif not 0 <= value <= 1:
                raise UsageError(f"{field.name} is a share from 0 to 1, found {value}")

    @staticmethod
    def gopher() -> Cleaning:
        """The filters of Gopher that need no language: for web pages in languages with spaces.

        Too strict for source code, for whole books, and for scripts without spaces, where a word
        is one character here and repeats more: they drop a fifth of Python's own library.

        Rae et al. 2021 (arXiv:2112.11446), appendix A.1.1: duplicate lines at most 0.2 of the
        characters, duplicate 5-grams at most 0.15.
        """
        return Cleaning(repair="auto", max_repeated_lines=0.2, max_repeated_ngrams=0.15)

    def to_dict(self) -> dict[str, Any]:
        """JSON types."""
        return asdict(self)

    def clean(self, text: str) -> str:
        """The repaired text; the same object where nothing was amiss.

        >>> Cleaning().clean("a\\x00 one\\r\\ntwo")
        'a one\\ntwo'
        """
        if self.repair == "auto":
            text = _repaired(text)
        if self.line_ends and "\r" in text:
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        if self.controls and _CONTROLS.search(text):
            text = _CONTROLS.sub("", text)
        if self.nfc and not text.isascii() and not unicodedata.is_normalized("NFC", text):
            text = unicodedata.normalize("NFC", text)
        return text

    def objection(self, text: str) -> str | None:
        """The filter that drops a text, or None.

        >>> Cleaning(min_characters=10).objection("short")
        'min_characters'
        """
        if self.min_characters is not None and len(text) < self.min_characters:
            return "min_characters"
        if self.max_characters is not None and len(text) > self.max_characters:
            return "max_characters"
        limits = (self.min_letters, self.max_digits, self.max_symbols)
        if any(limit is not None for limit in limits):
            found = shares(text)
            if self.min_letters is not None and found.letters < self.min_letters:
                return "min_letters"
            if self.max_digits is not None and found.digits > self.max_digits:
                return "max_digits"
            if self.max_symbols is not None and found.symbols > self.max_symbols:
                return "max_symbols"
        if _beyond(self.max_repeated_lines, lambda: repeated_lines(text)):
            return "max_repeated_lines"
        if _beyond(self.max_repeated_ngrams, lambda: repeated_ngrams(text, _NGRAM)):
            return "max_repeated_ngrams"
        return None


def cleaning_from(filters: Mapping[str, float], *, repair: bool, nfc: bool) -> Cleaning:
    """Cleaning from the words of a command line.

    Raises:
        UsageError: no such filter, or a limit that cannot be.
    """
    known = [f.name for f in fields(Cleaning) if f.name.startswith(("min_", "max_"))]
    limits: dict[str, Any] = {}
    for name, limit in filters.items():
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            raise UsageError(
                f"no such filter: {name!r}",
                hint=f"Did you mean {close[0]!r}?" if close else f"Filters: {', '.join(known)}.",
            )
        limits[name] = int(limit) if name.endswith("_characters") else limit
    return Cleaning(repair="auto" if repair else "off", nfc=nfc, **limits)


def _beyond(limit: float | None, measure: Callable[[], float]) -> bool:
    return limit is not None and measure() > limit


def _repaired(text: str) -> str:
    """Only wrongly decoded text is mended: curly quotes, ligatures and widths stay."""
    if text.isascii():
        return text
    try:
        from ftfy import TextFixerConfig, fix_encoding
    except ImportError as error:
        raise EnvironmentProblem(
            "repairing Unicode needs `ftfy`", hint="pip install 'isoloss[train]'"
        ) from error
    config = TextFixerConfig(explain=False)
    # By line: one bad line must not decide over the whole text, and good lines cost little.
    return "\n".join(
        line if line.isascii() else fix_encoding(line, config) for line in text.split("\n")
    )


class Cleaner:
    """Cleans one text after the other and counts: `changed`, `blank`, `dropped` by reason."""

    def __init__(self, cleaning: Cleaning) -> None:
        self.cleaning = cleaning
        self.changed = 0
        self.blank = 0
        self.dropped: Counter[str] = Counter()

    def __call__(self, text: str) -> str | None:
        """The clean text, or None where it is blank or a filter drops it."""
        clean = self.cleaning.clean(text)
        if not clean.strip():
            self.blank += 1
            return None
        reason = self.cleaning.objection(clean)
        if reason is not None:
            self.dropped[reason] += 1
            return None
        self.changed += clean != text
        return clean
