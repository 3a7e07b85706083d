"""The three questions of lm-evaluation-harness, answered by a model that isoloss opened.

The conventions are those of the harness's own `HFLM` (lm_eval 0.4.13, `models/huggingface.py`), so
that a score here is the score there: spaces at the end of a context count to the continuation; a
text without context follows the beginning of a text; documents are read in windows of the whole
context, each token once; prompts lose their beginning where prompt and answer do not fit.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from isoloss.errors import EnvironmentProblem, IsolossError, UsageError
from isoloss.models.huggingface.reading import read_json
from isoloss.tasks.generation import generate
from isoloss.tasks.generation.decoding import cut_at
from isoloss.tasks.harness.requests import settings_of
from isoloss.tasks.likelihood import encoded_pair, rolling_log_probs, token_continuations
from isoloss.tasks.opening import OpenModel

if TYPE_CHECKING:
    from lm_eval.api.model import LM  # pyright: ignore[reportMissingImports]

Item = TypeVar("Item")
_BATCHES_AT_ONCE = 8
"""Between two steps of the progress bar."""


class Responder:
    """What a model answers; `cut` counts contexts and prompts that lost their beginning.

    Args:
        opened: a decoder or encoder-decoder.
        batch_rows: rows of the model at a time.
        seed: of sampling, where a task samples.
    """

    def __init__(self, opened: OpenModel, *, batch_rows: int = 16, seed: int = 0) -> None:
        opened.require("decoder", "encoder_decoder", what="lm-evaluation-harness")
        if batch_rows < 1:
            raise UsageError(f"batch_rows must be positive, found {batch_rows}")
        self.opened, self.batch_rows, self.seed, self.cut = opened, batch_rows, seed, 0
        self.pairs = opened.kind == "encoder_decoder"
        # A text begins with the tokeniser's start of a text where it names one, even if it adds
        # none; `end` begins a text in `token_continuations` and `rolling_log_probs`; a source
        # ends with it.
        self.scoring = opened if self.pairs else replace(opened, end=_first_entry(opened))

    def likelihoods(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[float, bool]]:
        """For each context and continuation the log-probability (nats), and whether greedy."""
        found: dict[int, tuple[float, bool]] = {}
        for rows in self._portions(pairs, lambda pair: len(pair[0]) + len(pair[1]), "likelihoods"):
            encoded = [self._pair(*pairs[row]) for row in rows]
            scored = token_continuations(self.scoring, encoded, batch_rows=self.batch_rows)
            self.cut += sum(one.cut > 0 for one in scored)
            found |= {row: (one.total, one.greedy) for row, one in zip(rows, scored, strict=True)}
        return [found[row] for row in range(len(pairs))]

    def rolling(self, texts: Sequence[str]) -> list[float]:
        """For each document its log-probability (nats).

        Where the tokeniser puts a start before a text, the harness scores that start too.
        """
        found: dict[int, float] = {}
        for rows in self._portions(texts, len, "documents"):
            for row in rows:
                shares = rolling_log_probs(
                    self.scoring,
                    self.opened.before + self.opened.encode(texts[row]),
                    stride=self.opened.context_length,
                    batch_rows=self.batch_rows,
                )
                found[row] = math.fsum(shares)
        return [found[row] for row in range(len(texts))]

    def texts(self, requests: Sequence[tuple[str, Mapping[str, Any]]]) -> list[str]:
        """For each prompt with its settings the text after it, up to its first stop text."""
        made: dict[int, str] = {}
        for rows in self._portions(requests, lambda request: len(request[0]), "texts"):
            settings = {row: settings_of(requests[row][1], seed=self.seed) for row in rows}
            for one in dict.fromkeys(settings.values()):
                alike = [row for row in rows if settings[row] == one]
                # Other draws in each portion: a prompt may be asked several times.
                drawn = replace(one, seed=self.seed + rows[0])
                prompts = [self._prompt(requests[row][0], one.max_tokens) for row in alike]
                generations = generate(
                    self.opened if self.pairs else replace(self.opened, bos=None),
                    prompts,
                    drawn,
                    batch_rows=max(1, self.batch_rows // one.beams),
                )
                for row, generation in zip(alike, generations, strict=True):
                    text = self.opened.tokenizer.decode(list(generation.tokens))
                    made[row] = cut_at(text, one.stop)[0]
        return [made[row] for row in range(len(requests))]

    def _pair(self, context: str, text: str) -> tuple[list[int], list[int]]:
        """Tokens of a context and of what follows it; a source loses its beginning here."""
        before, after = encoded_pair(self.scoring, context, text)
        room = self.opened.source_room if self.pairs else len(before)
        self.cut += len(before) > room
        return before[max(0, len(before) - room) :], after

    def _prompt(self, text: str, max_tokens: int) -> list[int]:
        """Tokens of a prompt, cut from the left.

        Of a decoder with the beginning of a text, and with room for the answer; of an
        encoder-decoder with room for what `generate` puts around a source.
        """
        opened = self.opened
        ids = opened.encode(text)
        if self.pairs:
            room = opened.source_room
        else:
            ids = opened.before + ids
            room = max(1, opened.context_length - max_tokens)
        self.cut += len(ids) > room
        return ids[-room:]

    def _portions(
        self, items: Sequence[Item], size: Callable[[Item], int], what: str
    ) -> Iterator[list[int]]:
        """Places of the items, alike lengths together, with a progress bar in a terminal."""
        from tqdm import tqdm

        order = sorted(range(len(items)), key=lambda place: size(items[place]), reverse=True)
        step = self.batch_rows * _BATCHES_AT_ONCE
        with tqdm(
            total=len(items), desc=what, delay=2, file=sys.stderr, disable=not sys.stderr.isatty()
        ) as bar:
            for first in range(0, len(order), step):
                rows = order[first : first + step]
                yield rows
                bar.update(len(rows))


def harness_model(opened: OpenModel, *, batch_rows: int = 16, seed: int = 0) -> LM:
    """The model as an `lm_eval.api.model.LM`, for `lm_eval.simple_evaluate(model=…)`.

    `evaluate_harness` runs tasks with it under isoloss's own guards; here they are the caller's.

    Args:
        opened: a decoder or encoder-decoder.
        batch_rows: rows of the model at a time.
        seed: of sampling, where a task samples.

    Raises:
        EnvironmentProblem: `lm-eval` is not installed.
        UsageError: an encoder.
    """
    return _adapter_class()(Responder(opened, batch_rows=batch_rows, seed=seed))


def require_lm_eval() -> None:
    """Refuse to go on without `lm-eval`.

    Raises:
        EnvironmentProblem: it is not installed.
    """
    try:
        import lm_eval  # noqa: F401  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise EnvironmentProblem(
            "the tasks of lm-evaluation-harness need lm-eval", hint="pip install 'isoloss[hf]'"
        ) from error


@cache
def _adapter_class() -> Any:
    require_lm_eval()
    from lm_eval.api.model import LM  # pyright: ignore[reportMissingImports]

    class HarnessModel(LM):
        """Requests of the harness handed on to a `Responder`."""

        def __init__(self, responder: Responder) -> None:
            super().__init__()
            self.responder = responder
            self._device = responder.opened.device

        def loglikelihood(self, requests: list[Any]) -> list[tuple[float, bool]]:
            return self.responder.likelihoods([request.args for request in requests])

        def loglikelihood_rolling(self, requests: list[Any]) -> list[float]:
            return self.responder.rolling([request.args[0] for request in requests])

        def generate_until(self, requests: list[Any]) -> list[str]:
            return self.responder.texts([request.args for request in requests])

    return HarnessModel


def _first_entry(opened: OpenModel) -> int:
    """The entry that `tokenizer_config.json` calls the beginning of a text, else the end."""
    try:
        named = read_json(opened.folder / "tokenizer_config.json").get("bos_token")
    except IsolossError:
        return opened.end  # a folder of isoloss has no such file
    name = named.get("content") if isinstance(named, dict) else named
    found = opened.tokenizer.token_to_id(name) if isinstance(name, str) else None
    return opened.end if found is None else int(found)
