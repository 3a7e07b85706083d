"""How likely a model finds a text: of a continuation, or of a whole document in windows.

Shape suffixes: B rows, T positions, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from isoloss.errors import UsageError
from isoloss.models import EncoderDecoder
from isoloss.tasks.generation.sampling import finite_logits
from isoloss.tasks.hub_models import HubModel
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.sessions import padded

BATCH_ROWS = 16


@dataclass(frozen=True)
class Continuation:
    """Log-probabilities (nats) of the tokens of a continuation.

    Attributes:
        log_probs: of each token.
        greedy: whether each is the likeliest.
        cut: tokens of the context that did not fit.
    """

    log_probs: tuple[float, ...]
    greedy: bool
    cut: int = 0

    @property
    def total(self) -> float:
        """Log-probability of the continuation."""
        return sum(self.log_probs)


def continuations(
    opened: OpenModel,
    pairs: Sequence[tuple[str, str]],
    *,
    batch_rows: int = BATCH_ROWS,
) -> list[Continuation]:
    """The likelihood of each continuation after its context.

    A decoder sees both as one text, split where the context ends: spaces at the end of a context
    count to the continuation, because tokenisers join them to the next word. An encoder-decoder
    sees the context as its source, with the entries around it that its makers put there; a source
    that is too long loses its end, a decoder's context its beginning.

    Raises:
        UsageError: an encoder, or an empty continuation, or one that is longer than the context
            of the model.
    """
    opened.require("decoder", "encoder_decoder", what="the likelihood of a continuation")
    rows = [encoded_pair(opened, context, text) for context, text in pairs]
    return token_continuations(opened, rows, batch_rows=batch_rows)


def token_continuations(
    opened: OpenModel,
    rows: Sequence[tuple[list[int], list[int]]],
    *,
    batch_rows: int = BATCH_ROWS,
) -> list[Continuation]:
    """As `continuations`, of tokens: those of each context, and those that follow it.

    Raises:
        UsageError: an encoder, or a continuation that is longer than the context of the model.
    """
    opened.require("decoder", "encoder_decoder", what="the likelihood of a continuation")
    order = sorted(range(len(rows)), key=lambda index: sum(map(len, rows[index])))
    found: dict[int, Continuation] = {}
    for first in range(0, len(order), batch_rows):
        chosen = order[first : first + batch_rows]
        with torch.inference_mode():
            scored = _score(opened, [rows[index] for index in chosen])
        found |= dict(zip(chosen, scored, strict=True))
    return [found[index] for index in range(len(rows))]


def encoded_pair(opened: OpenModel, context: str, text: str) -> tuple[list[int], list[int]]:
    """Tokens of a context and of what follows it, as they are when both are one text.

    Raises:
        UsageError: the text has no tokens.
    """
    if opened.kind == "encoder_decoder":
        before, after = opened.encode(context), opened.encode(text)
    else:
        spaces = len(context) - len(context.rstrip())
        if spaces:
            context, text = context[:-spaces], context[-spaces:] + text
        before = opened.encode(context)
        after = opened.encode(context + text)[len(before) :]
    if not after:
        raise UsageError(f"{text!r} has no tokens to score", hint="Give a text that is not empty.")
    return before, after


def _score(opened: OpenModel, rows: list[tuple[list[int], list[int]]]) -> list[Continuation]:
    if opened.kind == "encoder_decoder":
        return _score_pairs(opened, rows)
    start = opened.end if opened.bos is None else opened.bos
    whole: list[list[int]] = []
    cuts: list[int] = []
    for before, after in rows:
        first = [start] if not before or opened.bos is not None else []
        _refuse_long(len(after), opened.context_length)
        # The last token is predicted, not read.
        cut = max(0, len(first) + len(before) + len(after) - 1 - opened.context_length)
        whole.append([*first, *before, *after][cut:])
        cuts.append(cut)
    inputs, segments = padded([row[:-1] for row in whole], opened.pad, device=opened.device)
    logits_BTV = opened.logits(inputs, segments)
    return [
        _continuation(logits_BTV[row, -len(after) :], after, cut)
        for row, ((_, after), cut) in enumerate(zip(rows, cuts, strict=True))
    ]


def _score_pairs(opened: OpenModel, rows: list[tuple[list[int], list[int]]]) -> list[Continuation]:
    longest = opened.source_room
    cuts = [max(0, len(before) - longest) for before, _ in rows]
    sources = [opened.source(before[:longest]) for before, _ in rows]
    begun = [opened.start, *opened.conventions.target_before]
    for _, after in rows:
        _refuse_long(len(after), opened.context_length - len(begun) + 1)
    source, source_segments = padded(sources, opened.pad, left=False, device=opened.device)
    given = [[*begun, *after[:-1]] for _, after in rows]
    target, segments = padded(given, opened.pad, left=False, device=opened.device)
    logits_BTV = pair_logits(opened, source, source_segments, target, segments)
    return [
        _continuation(logits_BTV[row, len(begun) - 1 :][: len(after)], after, cut)
        for row, ((_, after), cut) in enumerate(zip(rows, cuts, strict=True))
    ]


def pair_logits(
    opened: OpenModel,
    source: Tensor,
    source_segments: Tensor | None,
    target: Tensor,
    target_segments: Tensor | None,
) -> Tensor:
    """Logits (B, T, V) of an encoder-decoder."""
    if source_segments is not None and target_segments is None:
        target_segments = torch.ones_like(target)
    if target_segments is not None and source_segments is None:
        source_segments = torch.ones_like(source)
    if isinstance(opened.model, EncoderDecoder):
        return opened.model(
            source, target, source_segments=source_segments, target_segments=target_segments
        )
    assert isinstance(opened.model, HubModel)
    return opened.model.inner(
        input_ids=source,
        attention_mask=source_segments,
        decoder_input_ids=target,
        decoder_attention_mask=target_segments,
    ).logits


def _continuation(logits_TV: Tensor, tokens: list[int], cut: int) -> Continuation:
    shares_TV = finite_logits(logits_TV).log_softmax(dim=-1)
    at = torch.tensor(tokens, device=logits_TV.device)
    chosen = shares_TV.gather(1, at[:, None])[:, 0]
    greedy = bool((shares_TV.argmax(dim=-1) == at).all())
    return Continuation(tuple(chosen.tolist()), greedy, cut)


def _refuse_long(length: int, context: int) -> None:
    if length > context:
        raise UsageError(
            f"a continuation of {length:,} tokens exceeds the context of {context:,}",
            hint="Shorten it, or take a model with a longer context.",
        )


def rolling_log_probs(
    opened: OpenModel,
    ids: Sequence[int],
    *,
    stride: int | None = None,
    batch_rows: int = BATCH_ROWS,
) -> list[float]:
    """Log-probability (nats) of each token of a document, each token once.

    Windows of the whole context move on by `stride`; a token is scored in the first window that
    holds it, so that all but the first window's see at least `context - stride` tokens before
    them. The first token follows an end of text (or the model's own start of a text).

    Args:
        opened: a decoder.
        ids: the document.
        stride: tokens between windows; half a context when None, the whole is quickest.
        batch_rows: windows at a time.

    Raises:
        UsageError: not a decoder, or a stride beyond the context.
    """
    opened.require("decoder", what="perplexity")
    context = opened.context_length
    step = max(1, context // 2) if stride is None else stride
    if not 1 <= step <= context:
        raise UsageError(f"stride must lie in 1 to the context of {context:,}, found {step:,}")
    start = opened.end if opened.bos is None else opened.bos
    whole = [start, *ids]
    windows: list[tuple[list[int], list[int]]] = []
    done = 0
    while done < len(ids):
        count = min(context if not done else step, len(ids) - done)
        end = done + count  # tokens done … end - 1 are predicted from whole[.. end - 1]
        first = max(0, end - context)
        windows.append((whole[first:end], list(ids[done:end])))
        done = end
    found: list[float] = []
    for first in range(0, len(windows), batch_rows):
        batch = windows[first : first + batch_rows]
        with torch.inference_mode():
            inputs, segments = padded([row for row, _ in batch], opened.pad, device=opened.device)
            logits_BTV = opened.logits(inputs, segments)
        for row, (_, wanted) in enumerate(batch):
            found += _continuation(logits_BTV[row, -len(wanted) :], wanted, 0).log_probs
    return found
