"""Results as text: a title, labelled lines and sentences, 80 columns wide."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable

WIDTH = 80


def page(title: str, rows: Iterable[tuple[str, str]], sentences: Iterable[str]) -> str:
    """The text of a result.

    >>> print(page("Cost", [("Time", "3 days")], ["It fits."]))
    Cost
      Time      3 days
      - It fits.
    """
    lines = [title]
    lines += [line for name, text in rows for line in _wrapped(f"  {name:<9} ", text)]
    lines += [line for text in sentences for line in _wrapped("  - ", text)]
    return "\n".join(lines)


def _wrapped(start: str, text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start))
