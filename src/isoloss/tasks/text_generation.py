"""Open-ended text: how diverse and how repetitive it is, beside what people wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.tasks._text_figures import (
    HUMAN,
    MEASURED,
    Texts,
    beyond_human,
    cut_alike,
    mean_over_samples,
    of_pools,
    of_texts,
    rows_of,
)
from isoloss.tasks._written_texts import details_of, first_words, output_of, yardstick_of
from isoloss.tasks.examples import Row
from isoloss.tasks.generation import GenerationSettings, generate
from isoloss.tasks.memorised import KNOWN_WORDS, check_sources, known_shares
from isoloss.tasks.metric import FloatArray, Metric, mean_metric, mean_statistics
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.passages import Passage, passages_of
from isoloss.tasks.results import GIVEN, TaskResult
from isoloss.tasks.task import Task, check_counted, check_untrained, no_baseline
from isoloss.tasks.word_units import words_of

_WORDS = mean_metric("words", unit="words")
_ENDED = mean_metric("ended_share")


@dataclass(frozen=True, kw_only=True)
class TextGeneration(Task):
    """What a model writes after the first words of held-out texts.

    Every figure stands beside the same of what people wrote there (`human_…`), both cut to the
    words of the shorter of the two, since all of them depend on length. Words are those of
    `word_units`, so that models with different tokenisers, and texts from files, are compared.

    Args:
        prompt_words: words of a prompt; texts with fewer after it are left out.
        per_text: most passages of one text, at equal distances.
        max_tokens, temperature, top_k, top_p, min_p, repetition_penalty, presence_penalty, beams,
            length_penalty, stop: as in `GenerationSettings`.
        samples: texts for each prompt; figures of a pool are means over pools with one text of
            each prompt.
        memorised: file or folder of the training text, for `memorised_share`.
    """

    prompt_words: int = 32
    per_text: int = 1
    max_tokens: int = 128
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    beams: int = 1
    length_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    samples: int = 1
    memorised: str | None = None

    name: ClassVar[str] = "generation"
    about: ClassVar[str] = "diversity and repetition of written texts, beside human ones"
    kinds: ClassVar[tuple[str, ...]] = ("decoder", "encoder_decoder")
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "text": ("content", "document", "page", "target", "story"),
        "prompt": ("source",),
    }
    optional: ClassVar[tuple[str, ...]] = ("prompt",)
    metrics: ClassVar[tuple[Metric, ...]] = (*MEASURED, _WORDS, _ENDED)
    baseline_names: ClassVar[tuple[str, ...]] = ("human",)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counted(self, "prompt_words", "per_text", "samples")
        settings = self._settings()
        if self.samples > 1 and (settings.greedy or settings.beams > 1):
            raise UsageError(
                f"samples={self.samples} of a search for the likeliest text are all the same",
                hint="Take a temperature above 0 and beams=1, or samples=1.",
            )

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Write after every prompt and measure it."""
        self.check(opened, examples)
        if self.memorised is not None:
            check_sources(self.memorised)
        passages, short = self._passages(examples)
        prompts, cut = self._prompts(opened, passages)
        made = generate(
            opened,
            prompts * self.samples,
            self._settings(),
            batch_rows=max(1, self.batch_rows // self.beams),
        )
        draws = [made[first : first + len(prompts)] for first in range(0, len(made), len(prompts))]
        notes = list(short)
        if cut:
            notes.append(f"{cut:,} of {len(prompts):,} prompts were longer than the model reads")
        return self._measured(
            [[one.text for one in draw] for draw in draws],
            passages,
            model=str(opened.folder),
            made=self._made(),
            run_id=opened.run_id,
            notes=notes,
            ended=mean_over_samples(
                [np.array([float(one.ended == "end") for one in draw]) for draw in draws]
            ),
            details=[
                [details_of(opened, one) for one in samples] for samples in zip(*draws, strict=True)
            ],
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
        """Figures of texts, one for each passage of the examples, in their order.

        Raises:
            DataError: another number of texts than of passages.
        """
        passages, short = self._passages(examples)
        if len(texts) != len(passages):
            raise DataError(
                f"{self.name}: {len(texts):,} texts for {len(passages):,} passages"
                f" ({', '.join(short) or 'one or more of each text'})",
                hint="Give one text for each passage, in their order.",
            )
        return self._measured(
            [list(texts)],
            passages,
            model=model,
            made=made,
            run_id=run_id,
            notes=[*short, *notes],
        )

    def baseline(self, name: str, examples: Sequence[Row], train: Sequence[Row] = ()) -> list[str]:
        """`human`: what people wrote, at most `max_tokens` words; all figures are the yardstick's.

        Raises:
            UsageError: another name.
        """
        if name not in self.baseline_names:
            raise no_baseline(self, name)
        check_untrained(name, train)
        passages, _ = self._passages(examples)
        return [first_words(one.human, self.max_tokens) for one in passages]

    def _passages(self, examples: Sequence[Row]) -> tuple[list[Passage], list[str]]:
        found, short = passages_of(examples, prompt_words=self.prompt_words, per_text=self.per_text)
        note = f"{short:,} of {len(examples):,} texts were too short and left out"
        return found, [note] if short else []

    def _settings(self) -> GenerationSettings:
        names = (
            "max_tokens temperature top_k top_p min_p repetition_penalty presence_penalty beams"
            " length_penalty stop seed"
        )
        return GenerationSettings(**{name: getattr(self, name) for name in names.split()})

    def _made(self) -> str:
        """How texts are made, for the signature: what is not as `GenerationSettings` has it."""
        settings, usual = self._settings(), GenerationSettings()
        way = "greedy" if settings.greedy else "sampled" if self.beams == 1 else "beams"
        told = {f.name: getattr(settings, f.name) for f in fields(settings)}
        always = {"max_tokens"} if way != "sampled" else {"max_tokens", "temperature", "seed"}
        never = {"temperature", "seed"} - always
        parts = [
            f"{name}:{value:g}" if isinstance(value, float) else f"{name}:{value}"
            for name, value in told.items()
            if name in always or (value != getattr(usual, name) and name not in never)
        ]
        return "|".join([way, *parts, f"samples:{self.samples}"])

    def _prompts(
        self, opened: OpenModel, passages: Sequence[Passage]
    ) -> tuple[list[str | list[int]], int]:
        """Tokens of the prompts, and how many are longer than the model reads.

        A source loses its end; a decoder sees the end of prompt and text by itself.
        """
        pairs = opened.kind == "encoder_decoder"
        room = opened.source_room if pairs else opened.context_length
        ids = [opened.encode(one.prompt) for one in passages]
        cut = sum(len(one) > room for one in ids)
        return [one[:room] if pairs else one for one in ids], cut

    def _measured(
        self,
        draws: Sequence[Sequence[str]],
        passages: Sequence[Passage],
        *,
        model: str,
        made: str,
        run_id: str,
        notes: Sequence[str],
        ended: FloatArray | None = None,
        details: Sequence[Sequence[Mapping[str, Any]]] | None = None,
    ) -> TaskResult:
        alike = [
            cut_alike([words_of(text) for text in texts], [words_of(p.human) for p in passages])
            for texts in draws
        ]
        groups = np.unique([one.document for one in passages], return_inverse=True)[1]
        terms, scores = self._terms([a for a, _ in alike], [b for _, b in alike], groups)
        lengths = [np.array([float(len(words_of(text))) for text in texts]) for texts in draws]
        terms[_WORDS] = mean_statistics(mean_over_samples(lengths))
        if ended is not None:
            terms[_ENDED] = mean_statistics(ended)
        clusters = groups if int(groups.max()) + 1 < len(passages) else None
        beyond = beyond_human(terms, clusters, level=self.level, seed=self.seed)
        outputs = (
            {
                "input": one.prompt,
                **output_of([texts[i] for texts in draws], details[i] if details else None),
                **yardstick_of(one.human, max(len(b[i]) for _, b in alike)),
                "scores": {
                    name: float(values[i]) if np.isfinite(values[i]) else None
                    for name, values in scores.items()
                },
            }
            for i, one in enumerate(passages)
        )
        return self.result(
            terms,
            outputs,
            model=model,
            run_id=run_id,
            made=made,
            signature=self._signature(),
            clusters=clusters,
            notes=(*notes, beyond),
        )

    def _terms(
        self, made: Sequence[Texts], human: Sequence[Texts], groups: Any
    ) -> tuple[dict[Metric, FloatArray], dict[str, FloatArray]]:
        """Statistics of every metric, and the figures of each text."""
        sides = {"": of_texts(made), HUMAN: of_texts(human)}
        if self.memorised is not None:
            shares = known_shares([*made, *human], self.memorised)
            for side, part in (("", shares[: len(made)]), (HUMAN, shares[len(made) :])):
                sides[side]["memorised_share"] = mean_over_samples(part)
        rows = {
            side + name: rows_of(values)
            for side, figures in sides.items()
            for name, values in figures.items()
        }
        for side, pools in (("", made), (HUMAN, human)):
            rows |= {side + name: found for name, found in of_pools(pools, groups).items()}
        return {m: rows[m.name] for m in MEASURED if m.name in rows}, sides[""]

    def _signature(self) -> str:
        known = "" if self.memorised is None else f"|memorised:{KNOWN_WORDS}-grams"
        return (
            f"prompt_words:{self.prompt_words}|per_text:{self.per_text}|words:isoloss-1"
            f"|cut:to-the-shorter|pool-intervals:jackknife{known}"
        )
