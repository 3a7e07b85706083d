"""Prompts → texts, in batches, with cached keys and values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from isoloss.errors import UsageError
from isoloss.tasks.generation.beams import beam_search
from isoloss.tasks.generation.results import Generation
from isoloss.tasks.generation.sampling import choose, generators_of, penalised
from isoloss.tasks.generation.settings import GenerationSettings
from isoloss.tasks.opening import OpenModel, open_model
from isoloss.tasks.sessions import Session, new_session

OnText = Callable[[int, str], None]
"""Told the index of a prompt and the next piece of its text."""
BATCH_ROWS = 16
_BROKEN = "\ufffd"
_LONGEST_CHARACTER = 4


def generate(
    opened: OpenModel,
    prompts: Sequence[str | list[int]],
    settings: GenerationSettings | None = None,
    *,
    batch_rows: int = BATCH_ROWS,
    on_text: OnText | None = None,
) -> list[Generation]:
    """Text after each prompt, or from each source where the model is an encoder-decoder.

    An empty prompt of a decoder starts after an end of text. Prompts longer than the context are
    seen from their end. The target of an encoder-decoder never exceeds its context. Texts are
    without special entries; `Generation.tokens` has them.

    Args:
        opened: a decoder or encoder-decoder.
        prompts: texts, or token ids, in any number.
        settings: how tokens are chosen; sampled as they are when None.
        batch_rows: prompts at a time; with beams, each takes that many rows.
        on_text: told pieces of text as they come (not with beams).

    Raises:
        UsageError: a model of another kind, or a source that is too long.
        DataError: the model's weights are damaged.
    """
    settings = settings or GenerationSettings()
    if batch_rows < 1:
        raise UsageError(f"batch_rows must be positive, found {batch_rows}")
    opened.require("decoder", "encoder_decoder", what="generation")
    encoded = [opened.encode(p) if isinstance(p, str) else list(p) for p in prompts]
    texts = [p if isinstance(p, str) else opened.decode(p) for p in prompts]
    # Alike lengths together: less padding. Each text is its own, so the order changes nothing.
    order = sorted(range(len(prompts)), key=lambda index: len(encoded[index]))
    found: dict[int, Generation] = {}
    for first in range(0, len(order), batch_rows):
        rows = order[first : first + batch_rows]
        batch = [_Row(index=index, prompt=texts[index], ids=encoded[index]) for index in rows]
        with torch.inference_mode():
            found |= _generate(opened, batch, settings, on_text)
    return [found[index] for index in range(len(prompts))]


@dataclass
class _Row:
    """A prompt and what has been made of it."""

    index: int
    prompt: str
    ids: list[int]
    made: list[int] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    told: int = 0
    before: str | None = None


def _generate(
    opened: OpenModel, batch: list[_Row], settings: GenerationSettings, on_text: OnText | None
) -> dict[int, Generation]:
    session, room = _session(opened, batch, settings.max_tokens)
    if settings.beams == 1:
        return _decode(opened, session, batch, settings, room, on_text)
    best = beam_search(
        session, settings, ends=opened.ends, conventions=opened.conventions, max_tokens=room
    )
    done: dict[int, Generation] = {}
    for row, (first, *_) in zip(batch, best, strict=True):
        row.made, row.log_probs = list(first.tokens), list(first.log_probs)
        text, stopped = cut_at(_text(opened, row), settings.stop)
        ended = "stop" if stopped else "end" if first.ended else "length"
        done[row.index] = _generation(row, text, ended, score=first.score)
    return done


def _session(opened: OpenModel, batch: list[_Row], max_tokens: int) -> tuple[Session, int]:
    """A session with the prompts, and how many tokens may be added."""
    if opened.kind == "encoder_decoder":
        room = min(max_tokens, opened.context_length - 1)
        if room < 1:
            raise UsageError(f"{opened.folder}: a context of one token has no room for a text")
        rows = [[opened.start] for _ in batch]
        sources = [opened.source(row.ids) for row in batch]
        return new_session(opened, rows, capacity=room + 1, sources=sources), room
    rows = [(opened.before + row.ids) or [opened.end] for row in batch]
    capacity = max(map(len, rows)) + max_tokens
    return new_session(opened, rows, capacity=capacity), max_tokens


def _decode(
    opened: OpenModel,
    session: Session,
    batch: list[_Row],
    settings: GenerationSettings,
    room: int,
    on_text: OnText | None,
) -> dict[int, Generation]:
    """One token after the other; rows that end leave the batch."""
    done: dict[int, Generation] = {}
    live = list(batch)
    generators = generators_of([row.index for row in batch], settings.seed)
    logits_BV = session.begin()
    for length in range(1, room + 1):
        logits_BV = logits_BV.double()
        scores_BV = penalised(logits_BV, settings, session.rows, [row.made for row in live])
        scores_BV = opened.conventions.directed(scores_BV, first=length == 1, last=length == room)
        tokens, shares = choose(logits_BV, scores_BV, settings, generators)
        left: list[int] = []
        for place, (row, token, share) in enumerate(zip(live, tokens, shares, strict=True)):
            ended = _take(opened, row, token, share, settings, on_text, last=length == room)
            if ended is None:
                left.append(place)
            else:
                text, _ = cut_at(_text(opened, row), settings.stop)
                done[row.index] = _generation(row, text, ended)
        if not left:
            break
        if len(left) < len(live):
            session.keep(left)
            live = [live[place] for place in left]
            generators = [generators[place] for place in left]
            tokens = [tokens[place] for place in left]
        logits_BV = session.step(tokens)
    return done


def _take(
    opened: OpenModel,
    row: _Row,
    token: int,
    share: float,
    settings: GenerationSettings,
    on_text: OnText | None,
    *,
    last: bool,
) -> str | None:
    """Add a token to a row; says how the text ended, if it did."""
    ended = None
    if token in opened.ends:  # forced upon the last token, it is no end of the model's own
        ended = "length" if last and opened.conventions.last else "end"
    if ended is None:
        row.made.append(token)
        row.log_probs.append(share)
    text = _text(opened, row) if settings.stop or on_text is not None else ""
    text, stopped = cut_at(text, settings.stop)
    if ended is None:
        ended = "stop" if stopped else "length" if last else None
    if on_text is not None:
        held = 0 if ended else _held_back(text, settings.stop)
        piece = text[row.told : len(text) - held]
        if piece:
            on_text(row.index, piece)
            row.told += len(piece)
    return ended


def _held_back(text: str, stops: Iterable[str]) -> int:
    """Characters at the end that may still change: half a character, or the start of a stop."""
    held = len(text) - len(text.rstrip(_BROKEN))
    held = held if held < _LONGEST_CHARACTER else 0
    for stop in stops:
        for size in range(min(len(stop) - 1, len(text)), held, -1):
            if text.endswith(stop[:size]):
                held = size
                break
    return held


def cut_at(text: str, stops: Iterable[str]) -> tuple[str, bool]:
    """The text before the first stop text in it, and whether there was one.

    >>> cut_at("one\\ntwo", ["\\n"])
    ('one', True)
    """
    found = [at for at in (text.find(stop) for stop in stops) if at >= 0]
    return (text[: min(found)], True) if found else (text, False)


def _text(opened: OpenModel, row: _Row) -> str:
    """The text of the new tokens; with the prompt before them, where that changes it."""
    if opened.kind == "encoder_decoder" or not row.ids:
        return opened.plain(row.made)
    if row.before is None:  # asked for after every token
        row.before = opened.plain(row.ids)
    whole = opened.plain(row.ids + row.made)
    return whole[len(row.before) :] if whole.startswith(row.before) else opened.plain(row.made)


def _generation(row: _Row, text: str, ended: str, *, score: float | None = None) -> Generation:
    return Generation(
        prompt=row.prompt,
        text=text,
        tokens=tuple(row.made),
        log_probs=tuple(row.log_probs),
        ended=ended,
        score=score,
    )


def generate_text(source: str | Path, prompt: str = "", **settings: Any) -> str:
    """The prompt and what the model in a folder makes of it, up to its end of text.

    Args:
        source: as `open_model` takes.
        prompt: what the text begins with; the source of an encoder-decoder, which is left out.
        settings: of `GenerationSettings`.

    Raises:
        UsageError, NotFoundError, DataError: as `open_model` and `generate`.
    """
    chosen_settings = GenerationSettings(**settings)
    opened = open_model(source)
    (made,) = generate(opened, [prompt], chosen_settings)
    return made.text if opened.kind == "encoder_decoder" else prompt + made.text
