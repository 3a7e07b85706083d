"""Feeding tokens to a model, one at a time, without computing the tokens before them again.

Rows of a batch are padded on the left, so that all go on at the same place; padding has segment
0, which no token sees, and positions count from the first token of the row. Once the context is
full the window slides: a row is seen as its last `context_length` tokens, computed anew for each
token, because in a stack of layers every cached key still knows of tokens that have left.

Shape suffixes: B rows, T positions, S source positions, V vocabulary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from isoloss.errors import UsageError
from isoloss.models import Decoder, EncoderDecoder
from isoloss.models.cache import Cache
from isoloss.tasks.hub_models import HubModel
from isoloss.tasks.opening import OpenModel

Rows = list[list[int]]


class Session(ABC):
    """Rows of tokens in a model, and the logits of what comes next.

    Args:
        opened: the model.
        rows: tokens that the model has seen; of an encoder-decoder, those of the target.
        capacity: most tokens that a row may reach.
    """

    def __init__(self, opened: OpenModel, rows: Rows, capacity: int) -> None:
        self.opened, self.rows = opened, [list(row) for row in rows]
        self.room = min(opened.context_length, capacity)
        self.segments: Tensor | None = None

    def begin(self) -> Tensor:
        """Logits (B, V) after the rows."""
        tokens, self.segments = self._window()
        return self._prefill(tokens, self.segments)

    def step(self, tokens: Sequence[int]) -> Tensor:
        """Logits (B, V) after one more token in each row."""
        for row, token in zip(self.rows, tokens, strict=True):
            row.append(int(token))
        if self._cached() >= self.room or not self._keeps():
            window, segments = self._window()
            return self._whole(window, segments)
        new = torch.tensor(list(tokens), device=self.opened.device)[:, None]
        if self.segments is not None:
            ones = torch.ones_like(new)
            self.segments = torch.cat([self.segments, ones], dim=1)
        return self._extend(new)

    def keep(self, rows: Sequence[int]) -> None:
        """Row i becomes what row `rows[i]` was: beams, or rows that are left."""
        index = torch.tensor(list(rows), device=self.opened.device)
        self.rows = [list(self.rows[row]) for row in rows]
        if self.segments is not None:
            self.segments = self.segments[index]
        self._reorder(index)

    def _window(self) -> tuple[Tensor, Tensor | None]:
        """The last tokens of each row, padded on the left, and their segments."""
        longest = self.opened.context_length
        rows = [row[-longest:] for row in self.rows]
        return padded(rows, self.opened.pad, device=self.opened.device)

    @abstractmethod
    def _prefill(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        """Take in the first tokens and keep what they leave."""

    @abstractmethod
    def _extend(self, tokens: Tensor) -> Tensor:
        """Take in one more token a row, (B, 1)."""

    @abstractmethod
    def _whole(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        """Logits after tokens, with nothing kept."""

    @abstractmethod
    def _cached(self) -> int:
        """Positions that are kept."""

    def _keeps(self) -> bool:
        return True

    @abstractmethod
    def _reorder(self, index: Tensor) -> None: ...


class _DecoderSession(Session):
    """Of our decoders."""

    cache: Cache

    def __init__(self, opened: OpenModel, rows: Rows, capacity: int) -> None:
        super().__init__(opened, rows, capacity)
        assert isinstance(opened.model, Decoder)
        self.model = opened.model

    def _prefill(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        self.room = max(self.room, tokens.shape[1])
        self.cache = self.model.new_cache(self.room)
        return self._last(self.model.hidden(tokens, segments=segments, cache=self.cache))

    def _extend(self, tokens: Tensor) -> Tensor:
        segments = None if self.segments is None else torch.ones_like(tokens)
        return self._last(self.model.hidden(tokens, segments=segments, cache=self.cache))

    def _whole(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        return self._last(self.model.hidden(tokens, segments=segments))

    def _last(self, hidden_BTD: Tensor) -> Tensor:
        return self.model.logits(hidden_BTD[:, -1])

    def _cached(self) -> int:
        return self.cache.length

    def _reorder(self, index: Tensor) -> None:
        self.cache.reorder(index)


class _EncoderDecoderSession(Session):
    """Of our encoder-decoders: the source is encoded once."""

    def __init__(self, opened: OpenModel, sources: Rows, rows: Rows, capacity: int) -> None:
        super().__init__(opened, rows, capacity)
        assert isinstance(opened.model, EncoderDecoder)
        self.model = opened.model
        source, segments = padded(sources, opened.pad, left=False, device=opened.device)
        self.source_segments = segments
        self.memory = self.model.encode(source, source_segments=segments)

    def _prefill(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        self.room = max(self.room, tokens.shape[1])
        self.cache = self.model.new_cache(self.room)
        return self._run(tokens, segments, self.cache)

    def _extend(self, tokens: Tensor) -> Tensor:
        segments = None if self.segments is None else torch.ones_like(tokens)
        return self._run(tokens, segments, self.cache)

    def _whole(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        return self._run(tokens, segments, None)

    def _run(self, tokens: Tensor, segments: Tensor | None, cache: Cache | None) -> Tensor:
        hidden_BTD = self.model.hidden(
            None,
            tokens,
            source_segments=self.source_segments,
            target_segments=segments,
            memory=self.memory,
            cache=cache,
        )
        return self.model.logits(hidden_BTD[:, -1])

    def _cached(self) -> int:
        return self.cache.length

    def _reorder(self, index: Tensor) -> None:
        self.cache.reorder(index)
        self.memory = self.memory[index]
        if self.source_segments is not None:
            self.source_segments = self.source_segments[index]


class _HubSession(Session):
    """Of a decoder that `transformers` runs."""

    past: Any = None
    count = 0

    def _prefill(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        return self._run(tokens, segments, keep=True)

    def _extend(self, tokens: Tensor) -> Tensor:
        return self._run(tokens, self.segments, keep=True)

    def _whole(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        self.past = None
        return self._run(tokens, segments, keep=False)

    def _run(self, tokens: Tensor, segments: Tensor | None, *, keep: bool) -> Tensor:
        assert isinstance(self.opened.model, HubModel)
        out = self.opened.model.run(tokens, segments=segments, past=self.past, keep=keep)
        self.past = out.get("past_key_values") if keep else None
        self.count += tokens.shape[1]
        return out.logits[:, -1]

    def _cached(self) -> int:
        return self.count

    def _keeps(self) -> bool:
        return self.past is not None

    def _reorder(self, index: Tensor) -> None:
        if self.past is not None:
            self.past.reorder_cache(index)


class _HubPairSession(Session):
    """Of an encoder-decoder that `transformers` runs: the source is encoded once.

    Keys and values are kept where no row of the target is padded, which none that is generated is.
    """

    past: Any = None
    count = 0

    def __init__(self, opened: OpenModel, sources: Rows, rows: Rows, capacity: int) -> None:
        super().__init__(opened, rows, capacity)
        source, segments = padded(sources, opened.pad, left=False, device=opened.device)
        self.mask = torch.ones_like(source) if segments is None else segments
        assert isinstance(opened.model, HubModel)
        self.inner: Any = opened.model.inner
        encoder = self.inner.get_encoder()
        self.memory = encoder(input_ids=source, attention_mask=self.mask).last_hidden_state

    def _prefill(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        return self._run(tokens, segments, keep=segments is None)

    def _extend(self, tokens: Tensor) -> Tensor:
        return self._run(tokens, None, keep=True)

    def _whole(self, tokens: Tensor, segments: Tensor | None) -> Tensor:
        self.past = None
        return self._run(tokens, segments, keep=False)

    def _run(self, tokens: Tensor, segments: Tensor | None, *, keep: bool) -> Tensor:
        out = self.inner(
            encoder_outputs=(self.memory,),
            attention_mask=self.mask,
            decoder_input_ids=tokens,
            decoder_attention_mask=segments,
            past_key_values=self.past,
            use_cache=keep,
        )
        self.past = out.get("past_key_values") if keep else None
        self.count += tokens.shape[1]
        return out.logits[:, -1]

    def _cached(self) -> int:
        return self.count

    def _keeps(self) -> bool:
        return self.past is not None

    def _reorder(self, index: Tensor) -> None:
        self.memory, self.mask = self.memory[index], self.mask[index]
        if self.past is not None:
            self.past.reorder_cache(index)


def new_session(
    opened: OpenModel, rows: Rows, *, capacity: int, sources: Rows | None = None
) -> Session:
    """A session of any model that generates.

    Args:
        opened: the model.
        rows: first tokens of each row, at least one.
        capacity: most tokens that a row may reach.
        sources: source tokens of each row, for an encoder-decoder.

    Raises:
        UsageError: an encoder, sources that do not fit the kind, or a source that is too long.
    """
    opened.require("decoder", "encoder_decoder", what="generation")
    if (sources is None) == (opened.kind == "encoder_decoder"):
        wanted = "needs a source" if sources is None else "has no source"
        kind = opened.kind.replace("_", "-")
        raise UsageError(f"{opened.folder}: a model of kind {kind!r} {wanted}")
    if sources is None:
        of_hub = isinstance(opened.model, HubModel)
        return (_HubSession if of_hub else _DecoderSession)(opened, rows, capacity)
    longest = max(map(len, sources), default=0)
    if longest > opened.source_length:
        raise UsageError(
            f"a source of {longest:,} tokens exceeds the {opened.source_length:,} of the model",
            hint="Shorten it, or let the task truncate it.",
        )
    if isinstance(opened.model, HubModel):
        return _HubPairSession(opened, sources, rows, capacity)
    return _EncoderDecoderSession(opened, sources, rows, capacity)


def padded(
    rows: Rows, pad: int, *, left: bool = True, device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor | None]:
    """Rows of token ids as one tensor (B, T), and their segments: 0 padding, 1 text.

    Segments are None where no row is padded.

    >>> tokens, segments = padded([[5, 6], [7]], pad=0)
    >>> tokens.tolist(), segments.tolist()
    ([[5, 6], [0, 7]], [[1, 1], [0, 1]])
    """
    longest = max(map(len, rows))
    gaps = [longest - len(row) for row in rows]
    if not any(gaps):
        return torch.tensor(rows, device=device), None

    def filled(content: list[int], gap: int, filler: int) -> list[int]:
        return [filler] * gap + content if left else content + [filler] * gap

    tokens = [filled(row, gap, pad) for row, gap in zip(rows, gaps, strict=True)]
    segments = [filled([1] * len(row), gap, 0) for row, gap in zip(rows, gaps, strict=True)]
    return torch.tensor(tokens, device=device), torch.tensor(segments, device=device)
