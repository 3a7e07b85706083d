"""Extractive question answering: an encoder with a head for spans (arXiv:1810.04805, §4.2).

The answer is the likeliest span of the text: over all windows, the largest sum of the scores of
its first and its last token, less those of position 0, which stands for "not in this window".
Where questions may have no answer, that difference decides (arXiv:1810.04805, §4.3).

Shape suffixes: B rows, T positions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from isoloss.errors import DataError, UsageError
from isoloss.models.span_head import SpanModel
from isoloss.tasks._marked_answers import misplaced
from isoloss.tasks._question_windows import Framing, Window, framing_of, windows_of
from isoloss.tasks.answers import (
    ANSWER_METRICS,
    QUESTION_FIELDS,
    reference_answers,
    score_answers,
    unanswerable,
)
from isoloss.tasks.conventions import separators_between
from isoloss.tasks.examples import Row, text_of
from isoloss.tasks.hub_models import HubSpans
from isoloss.tasks.languages import by_characters, character_tokens, check_language
from isoloss.tasks.metric import Metric
from isoloss.tasks.opening import CHECKPOINT, OpenModel
from isoloss.tasks.results import GIVEN, TaskResult
from isoloss.tasks.squad import answer_tokens, f1
from isoloss.tasks.summarisation import sentences
from isoloss.tasks.task import Task, check_counted, check_counts, check_untrained, no_baseline
from isoloss.training import read_checkpoint

_BLANKS = re.compile(r"\s+")


@dataclass(frozen=True, kw_only=True)
class Extractive(Task):
    """An answer that is cut from the text.

    A question whose `is_impossible` is true, with an empty list of `answers`, has none in its
    text (SQuAD 2): the empty answer is right.

    Args:
        max_answer_tokens: longest answer.
        max_question_tokens: of a longer question the end is cut.
        window_tokens: tokens of a row; the model's context when None.
        stride: tokens between the beginnings of two windows; half a window when None.
        language: of the answers (ISO 639-1); guessed from their letters when None. Scripts
            without spaces between words are compared by characters.
        null_below: the answer is empty where the log-odds of the best span against position 0
            are below this. When None the best span is always taken, unless some of the examples
            are unanswerable: then it is 0, so that the likelier of the two is taken.
    """

    max_answer_tokens: int = 30
    max_question_tokens: int = 64
    window_tokens: int | None = None
    stride: int | None = None
    language: str | None = None
    null_below: float | None = None

    name: ClassVar[str] = "extractive-qa"
    about: ClassVar[str] = "exact match and F1 of answers cut from a text"
    kinds: ClassVar[tuple[str, ...]] = ("encoder",)
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = QUESTION_FIELDS
    optional: ClassVar[tuple[str, ...]] = ("is_impossible",)
    metrics: ClassVar[tuple[Metric, ...]] = ANSWER_METRICS
    baseline_names: ClassVar[tuple[str, ...]] = (
        "best-constant", "first-sentence", "nearest-sentence",
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check_language(self.language)
        check_counted(self, "max_answer_tokens", "max_question_tokens", "window_tokens", "stride")
        if self.null_below is not None and math.isnan(self.null_below):
            raise UsageError("null_below must be a number, found nan")

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Cut an answer to each question from its text and score it."""
        self.check(opened, examples)
        for example in examples:
            reference_answers(example)  # before the work, not after
        texts, cut = self.answer(span_model(opened), opened, examples)
        notes = (
            (f"{cut:,} questions were cut at {self.max_question_tokens:,} tokens",) if cut else ()
        )
        return self.score(
            texts,
            examples,
            model=str(opened.folder),
            made=self.made(examples),
            run_id=opened.run_id,
            notes=notes,
        )

    def score(
        self,
        texts: Sequence[str],
        examples: Sequence[Row],
        *,
        model: str,
        made: str = GIVEN,
        run_id: str = "",
        notes: tuple[str, ...] = (),
    ) -> TaskResult:
        """Means over questions; questions of one text are drawn together for the intervals.

        Answers that do not stand where their examples say are counted in the notes: scores do
        not depend on the places, training does.
        """
        check_counts(texts, examples, self.name)
        wrong = [example["place"] for example in examples if misplaced(example)]
        if wrong:
            notes = (
                *notes,
                f"{len(wrong):,} of {len(examples):,} examples have an answer that is not where"
                f" answer_start says, the first {wrong[0]}; they are scored all the same",
            )
        return score_answers(
            self,
            texts,
            [reference_answers(example) for example in examples],
            examples,
            language=self.language,
            model=model,
            run_id=run_id,
            made=made,
            notes=notes,
        )

    def made(self, examples: Sequence[Row]) -> str:
        """How answers are found, for the signature."""
        window = self.window_tokens or "context"
        least = self._null_below(examples)
        asked, usual = self.max_question_tokens, Extractive.max_question_tokens
        return (
            f"best-span|max_tokens:{self.max_answer_tokens}|window:{window}"
            f"|stride:{self.stride or 'half'}"
            + ("" if asked == usual else f"|question_tokens:{asked}")
            + (f"|null_below:{least:g}" if least > -math.inf else "")
        )

    def _null_below(self, examples: Sequence[Row]) -> float:
        if self.null_below is not None:
            return self.null_below
        return 0.0 if any(map(unanswerable, examples)) else -math.inf

    def framing(self, opened: OpenModel) -> Framing:
        """How rows are put together for a model.

        Raises:
            UsageError: rows longer than its context.
        """
        length = self.window_tokens or opened.context_length
        if length > opened.context_length:
            raise UsageError(
                f"window_tokens={length:,} exceeds the model's context of"
                f" {opened.context_length:,}",
                hint="Take fewer.",
            )
        return framing_of(
            opened.tokenizer,
            end=opened.end,
            length=length,
            stride=self.stride,
            max_question=self.max_question_tokens,
            # What isoloss tunes has one, whatever its tokeniser adds.
            between=separators_between(opened.tokenizer)
            if isinstance(opened.model, HubSpans)
            else 1,
        )

    def answer(
        self, model: SpanModel | HubSpans, opened: OpenModel, examples: Sequence[Row]
    ) -> tuple[list[str], int]:
        """The answer to each question, and how many questions were cut.

        Raises:
            DataError: an example without a text.
        """
        framing = self.framing(opened)
        least = self._null_below(examples)
        rows: list[tuple[int, Window]] = []
        cut = 0
        for index, example in enumerate(examples):
            question, context = _asked(example)
            cut += len(opened.encode(question)) > self.max_question_tokens
            rows += [(index, window) for window in windows_of(framing, question, context)]
        best: dict[int, tuple[float, str]] = {}
        model.eval()
        for first in range(0, len(rows), self.batch_rows):
            part = rows[first : first + self.batch_rows]
            scores_B2T = _scores(model, opened, [window for _, window in part])
            for (index, window), scores_2T in zip(part, scores_B2T, strict=True):
                value, start, end = best_span(scores_2T, window, self.max_answer_tokens)
                if index not in best or value > best[index][0]:
                    context = str(examples[index]["context"])
                    best[index] = value, context[start:end].strip()
        found = [best.get(index, (-math.inf, "")) for index in range(len(examples))]
        return [text if value >= least else "" for value, text in found], cut

    def baseline(self, name: str, examples: Sequence[Row], train: Sequence[Row] = ()) -> list[str]:
        """The answers of a baseline, one for each example.

        Raises:
            UsageError: there is none of that name.
        """
        known = self.baselines(examples)
        if name not in known:
            raise no_baseline(self, name)
        check_untrained(name, train)
        return [known[name](example) for example in examples]

    def baselines(self, examples: Sequence[Row] = ()) -> Mapping[str, Callable[[Row], str]]:
        """Answers that take no model, by name.

        `best-constant` is the one reference that, given to every question, has the highest F1 on
        these very examples: no constant does better. `first-sentence` is that of the text,
        `nearest-sentence` the one that shares most words with the question.
        """
        constant = self._best_constant(examples) if examples else ""
        return {
            "best-constant": lambda example: constant,
            "first-sentence": lambda example: _sentences(example)[0],
            "nearest-sentence": _nearest_sentence,
        }

    def _best_constant(self, examples: Sequence[Row]) -> str:
        references = [reference_answers(example) for example in examples]
        texts = [text for row in references for text in row]
        characters = by_characters(check_language(self.language), texts)
        having: dict[str, set[int]] = {}
        for index, row in enumerate(references):
            for text in row:
                for token in answer_tokens(text, characters=characters) or [""]:
                    having.setdefault(token, set()).add(index)

        def total(text: str) -> float:
            """Summed F1; only references with a token of the text, or none as it, have any."""
            tokens = answer_tokens(text, characters=characters) or [""]
            rows = sorted({index for token in tokens for index in having[token]})
            return sum(f1(text, references[index], characters=characters) for index in rows)

        return max(dict.fromkeys(texts), key=total)


def span_model(opened: OpenModel) -> SpanModel | HubSpans:
    """An opened encoder with its head for spans.

    Raises:
        UsageError: it has none.
    """
    model: Any = opened.model
    if isinstance(model, (SpanModel, HubSpans)):
        return model
    path = opened.folder / CHECKPOINT
    tensors = read_checkpoint(path)[1] if path.is_file() else {}
    if "span.weight" not in tensors:
        raise UsageError(
            f"{opened.folder}: the model has no head for spans",
            hint=f"Train one: isoloss finetune {opened.folder} --task extractive-qa --data FILE",
        )
    headed = SpanModel(model)
    try:
        headed.take_head(tensors)
    except (KeyError, RuntimeError) as error:
        raise DataError(f"{path}: its head for spans is damaged ({error})") from error
    return headed.to(opened.device).eval()


def best_span(scores_2T: Tensor, window: Window, longest: int) -> tuple[float, int, int]:
    """The best span of a window: its score, and its first and past-the-last character.

    The score is the log-odds of the span against position 0, which the softmax's normaliser
    drops out of, so that windows can be compared.
    """
    inside = slice(window.first, window.first + len(window.offsets))
    start_T, end_T = scores_2T[0, inside], scores_2T[1, inside]
    sums_TT = start_T[:, None] + end_T[None, :]
    valid_TT = torch.ones_like(sums_TT, dtype=torch.bool).triu().tril(longest - 1)
    best = int(sums_TT.masked_fill(~valid_TT, -torch.inf).argmax())
    first, last = divmod(best, len(window.offsets))
    value = float(sums_TT[first, last] - scores_2T[:, 0].sum())
    return value, window.offsets[first][0], window.offsets[last][1]


def _scores(model: SpanModel | HubSpans, opened: OpenModel, windows: Sequence[Window]) -> Tensor:
    """Scores (B, 2, T) on the CPU."""
    longest = max(len(window.ids) for window in windows)
    tokens_BT = torch.full((len(windows), longest), opened.pad)
    segments_BT, types_BT = torch.zeros_like(tokens_BT), torch.zeros_like(tokens_BT)
    for row, window in enumerate(windows):
        tokens_BT[row, : len(window.ids)] = torch.tensor(window.ids)
        segments_BT[row, : len(window.ids)] = 1
        types_BT[row, window.first : len(window.ids)] = 1
    place = opened.device
    types = {"types": types_BT.to(place)} if isinstance(model, HubSpans) else {}
    with torch.inference_mode():
        return model(tokens_BT.to(place), segments=segments_BT.to(place), **types).float().cpu()


def _asked(example: Row) -> tuple[str, str]:
    place = example["place"]
    return text_of(example["question"], place), text_of(example["context"], place)


def _sentences(example: Row) -> list[str]:
    context = _BLANKS.sub(" ", text_of(example["context"], example["place"]))
    return sentences(context).split("\n")


def _nearest_sentence(example: Row) -> str:
    asked = set(character_tokens(str(example["question"])))
    return max(_sentences(example), key=lambda one: len(asked & set(character_tokens(one))))
