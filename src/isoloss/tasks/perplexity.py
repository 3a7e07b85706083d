"""Perplexity: how well a decoder predicts documents, per token, word and byte."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from isoloss.errors import DataError
from isoloss.tasks.examples import Row, text_of
from isoloss.tasks.likelihood import rolling_log_probs
from isoloss.tasks.metric import FloatArray, Metric
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import TaskResult
from isoloss.tasks.task import Task, check_counted

_TOKENS, _WORDS, _BYTES, _NATS = range(4)


def _nats_per(column: int) -> Metric:
    names = {_TOKENS: "token", _WORDS: "word", _BYTES: "byte"}
    name = f"{names[column]}_perplexity"

    def of_sums(sums: FloatArray) -> FloatArray:
        with np.errstate(all="ignore"):
            return np.exp(sums[..., _NATS] / sums[..., column])

    return Metric(name, of_sums, higher_is_better=False, unit="perplexity")


def _loss(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., _NATS] / sums[..., _TOKENS], dtype=np.float64)


def _bits(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[..., _NATS] / sums[..., _BYTES] / math.log(2), dtype=np.float64)


@dataclass(frozen=True, kw_only=True)
class Perplexity(Task):
    """Each document in windows of the context (`rolling_log_probs`).

    Words are what white space separates; bytes are those of UTF-8. Per word and per byte the
    figures of models with different tokenisers can be compared, per token they cannot.

    Args:
        stride: tokens between windows; half a context when None.
    """

    stride: int | None = None

    name: ClassVar[str] = "perplexity"
    about: ClassVar[str] = "how well documents are predicted: per token, word and byte"
    kinds: ClassVar[tuple[str, ...]] = ("decoder",)
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {"text": ("content", "document", "page")}
    metrics: ClassVar[tuple[Metric, ...]] = (
        Metric("loss", _loss, higher_is_better=False, unit="nats_per_token"),
        Metric("bits_per_byte", _bits, higher_is_better=False, unit="bits_per_byte"),
        _nats_per(_TOKENS),
        _nats_per(_WORDS),
        _nats_per(_BYTES),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counted(self, "stride")

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Score every document."""
        self.check(opened, examples)
        terms: list[list[float]] = []
        outputs: list[dict[str, object]] = []
        texts = [text_of(example["text"], example["place"]) for example in examples]
        for example, text in zip(examples, texts, strict=True):
            ids = opened.encode(text)
            if not ids:
                raise DataError(f"{example['place']}: the text has no tokens")
            found = rolling_log_probs(opened, ids, stride=self.stride, batch_rows=self.batch_rows)
            size = len(text.encode("utf-8"))
            terms.append([len(ids), len(text.split()), size, -math.fsum(found)])
            outputs.append({"input": text[:200], "tokens": len(ids), "nats": terms[-1][_NATS]})
        rows = np.asarray(terms, dtype=np.float64)
        stride = max(1, opened.context_length // 2) if self.stride is None else self.stride
        return self.result(
            dict.fromkeys(self.metrics, rows),
            outputs,
            model=opened,
            made=f"context:{opened.context_length}|stride:{stride}",
            signature="",
        )
