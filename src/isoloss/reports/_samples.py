"""One example of a task as HTML: what went in, what came out, what was wanted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

from isoloss.reports._html import escape
from isoloss.reports._numbers import finite

SHADES = (0.1, 0.01, 0.001)
"""Probabilities below which a token is shaded, once, twice, three times."""
_LONG = 700
_BEGINNING = 120
_SHOWN = {"input", "output", "references", "references_repeated", "repeated", "more", "scores"}
_SHOWN |= {"pieces", "log_probs", "choices", "answer", "completions", "endings", "passed"}


def sample_html(
    number: int, example: Mapping[str, Any], scores: Mapping[str, float | None], human: bool
) -> str:
    """An article on one example.

    Args:
        number: of the example, from 1.
        example: as in `outputs` of a result.
        scores: of the example by metric.
        human: whether references are what a person wrote after the same prompt.
    """
    told = [f"{name} {value:.3g}" for name, value in scores.items() if value is not None]
    told += [f"{name} {_fact(value)}" for name, value in example.items() if _is_fact(name, value)]
    about = f" <span>{escape(_whole(', '.join(told)))}</span>" if told else ""
    return (
        f"<article>\n<h4>Example {number:,}{about}</h4>\n"
        f"{_input(example, 'Prompt' if human else 'Input')}"
        f'<div class="sides">{_side(_outputs(example))}{_side(_references(example, human))}</div>\n'
        f"{_choices(example)}</article>"
    )


def marked_text(
    text: str,
    repeated: Any = None,
    pieces: Any = None,
    log_probs: Any = None,
) -> str:
    """A text with its repeated parts underlined and its unlikely tokens shaded.

    >>> marked_text("a <b>", [[2, 5]])
    'a <mark>&lt;b&gt;</mark>'
    """
    text = _whole(text)
    shades = _shades(text, pieces, log_probs)
    again = _covered(len(text), repeated)
    parts: list[str] = []
    for (marked, shade), run in groupby(range(len(text)), key=lambda i: (again[i], shades[i])):
        places = list(run)
        inside = escape(text[places[0] : places[-1] + 1])
        kind = f' class="p{shade}"' if shade else ""
        tag = "mark" if marked else "span" if shade else ""
        parts.append(f"<{tag}{kind}>{inside}</{tag}>" if tag else inside)
    return "".join(parts)


def _covered(length: int, spans: Any) -> list[bool]:
    found = [False] * length
    for span in spans if isinstance(spans, list) else ():
        if isinstance(span, list) and len(span) == 2 and all(type(x) is int for x in span):
            for place in range(max(0, span[0]), min(length, span[1])):
                found[place] = True
    return found


def _shades(text: str, pieces: Any, log_probs: Any) -> list[int]:
    """For each character how unlikely its token was; 0 where that is not known."""
    plain = [0] * len(text)
    if not (isinstance(pieces, list) and isinstance(log_probs, list)):
        return plain
    if len(pieces) != len(log_probs) or not _whole("".join(map(str, pieces))).startswith(text):
        return plain
    shades: list[int] = []
    for piece, log_prob in zip(pieces, log_probs, strict=True):
        value = finite(log_prob)
        share = 1.0 if value is None else math.exp(min(0.0, value))
        shades += [sum(share < limit for limit in SHADES)] * len(str(piece))
    return shades[: len(text)] if len(shades) >= len(text) else plain


def _input(example: Mapping[str, Any], title: str) -> str:
    return _block(title, _text_html(example.get("input"))) if example.get("input") else ""


def _outputs(example: Mapping[str, Any]) -> str:
    if isinstance(example.get("completions"), list):
        return _completions(example)
    if not isinstance(example.get("output"), str):
        return ""
    more = example.get("more")
    written = [example, *(more if isinstance(more, list) else ())]
    found = [one for one in written if isinstance(one, Mapping)]
    return "".join(
        _block(
            "Output" if len(found) == 1 else f"Output {place} of {len(found)}",
            _text_html(
                one.get("output"), one.get("repeated"), one.get("pieces"), one.get("log_probs")
            ),
        )
        for place, one in enumerate(found, start=1)
    )


def _completions(example: Mapping[str, Any]) -> str:
    ends = example.get("endings")
    endings: Sequence[Any] = ends if isinstance(ends, list) else []
    blocks: list[str] = []
    for place, text in enumerate(example["completions"]):
        end = str(endings[place]) if place < len(endings) else "not run"
        tone = "right" if end == "passed" else "wrong"
        title = f'Program {place + 1}: <span class="{tone}">{escape(_whole(end))}</span>'
        blocks.append(_block(title, _text_html(text, code=True)))
    return "".join(blocks)


def _references(example: Mapping[str, Any], human: bool) -> str:
    references = example.get("references")
    if not isinstance(references, list):
        return ""
    marks = example.get("references_repeated")
    repeated: Sequence[Any] = marks if isinstance(marks, list) else []
    title = "What a person wrote" if human else "Reference"
    return "".join(
        _block(
            title if len(references) == 1 else f"{title} {place + 1}",
            _text_html(text, repeated[place] if place < len(repeated) else None),
        )
        for place, text in enumerate(references)
    )


def _choices(example: Mapping[str, Any]) -> str:
    choices, log_probs = example.get("choices"), example.get("log_probs")
    if not isinstance(choices, list):
        return ""
    values = [finite(x) for x in log_probs] if isinstance(log_probs, list) else []
    if len(values) != len(choices):
        values = [None] * len(choices)
    known = [value for value in values if value is not None]
    items: list[str] = []
    for place, (choice, value) in enumerate(zip(choices, values, strict=True)):
        right = place == example.get("answer")
        said = [f"{value:.2f} nats"] if value is not None else []
        said += ["likeliest"] if known and value == max(known) else []
        said += ["right"] if right else []
        shown = (
            f'<span class="right">{escape(_whole(choice))}</span>'
            if right
            else escape(_whole(choice))
        )
        items.append(f"<li>{shown} ({', '.join(said)})</li>" if said else f"<li>{shown}</li>")
    return f"<h5>Choices</h5><ol>{''.join(items)}</ol>\n"


def _side(blocks: str) -> str:
    return f"<div>{blocks}</div>\n" if blocks else ""


def _block(title: str, text: str) -> str:
    return f"<div><h5>{title}</h5>{text}</div>\n"


def _text_html(
    text: Any,
    repeated: Any = None,
    pieces: Any = None,
    log_probs: Any = None,
    *,
    code: bool = False,
) -> str:
    whole = _whole(text)
    if not whole.strip():
        return '<p class="absent">(empty)</p>'
    kind = "text code" if code else "text"
    inside = f'<p class="{kind}" dir="auto">{marked_text(whole, repeated, pieces, log_probs)}</p>'
    if len(whole) <= _LONG:
        return inside
    beginning = " ".join(whole[: 4 * _BEGINNING].split())[:_BEGINNING]
    return (
        f"<details><summary>{escape(beginning)}… ({len(whole):,} characters)</summary>"
        f"{inside}</details>"
    )


def _whole(text: Any) -> str:
    """A text that can be written as UTF-8: a lone half of a character becomes `?`."""
    return str("" if text is None else text).encode("utf-8", "replace").decode("utf-8")


def _is_fact(name: str, value: Any) -> bool:
    return name not in _SHOWN and isinstance(value, (str, int, float)) and len(str(value)) <= 40


def _fact(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
