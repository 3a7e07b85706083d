"""What a task is: examples, what a model makes of them, and how that is scored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from isoloss.errors import DataError, UsageError
from isoloss.tasks.examples import Row, read_examples
from isoloss.tasks.generation import Generation, GenerationSettings, generate
from isoloss.tasks.metric import Metric
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import TaskResult


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A way to score a model.

    Args:
        batch_rows: rows of the model at a time.
        level: of the intervals over examples.
        seed: of the bootstrap, and of sampling where there is any.

    Class attributes: `name`; `about`, one line; `kinds` of models; `reads`, the names of an
    example with other names that mean the same, `optional` among them; `metrics` by name, so
    that saved results can be compared.
    """

    batch_rows: int = 16
    level: float = 0.9
    seed: int = 0

    name: ClassVar[str]
    about: ClassVar[str]
    kinds: ClassVar[tuple[str, ...]]
    reads: ClassVar[Mapping[str, tuple[str, ...]]]
    optional: ClassVar[tuple[str, ...]] = ()
    metrics: ClassVar[tuple[Metric, ...]]

    def read(
        self,
        sources: Sequence[str | Path],
        columns: Mapping[str, str] | None = None,
        limit: int | None = None,
    ) -> list[Row]:
        """The task's examples in files; arguments and errors as `read_examples`."""
        return read_examples(
            sources, columns, wanted=self.reads, optional=self.optional, limit=limit
        )

    @abstractmethod
    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Score a model.

        Raises:
            UsageError: a model of the wrong kind; DataError: an example that cannot be scored.
        """

    def check(self, opened: OpenModel, examples: Sequence[Row]) -> None:
        """Refuse a model of the wrong kind, and no examples."""
        opened.require(*self.kinds, what=f"the task {self.name}")
        if not examples:
            raise DataError(f"{self.name}: no examples", hint="Give a file with examples.")


@dataclass(frozen=True, kw_only=True)
class TextTask(Task):
    """A task whose answers are texts: generate, then score them against references.

    `score` takes any texts, so that baselines and the outputs of other systems are scored by the
    same lines as a model's.

    Args:
        template: of a decoder's prompt, with the example's names in braces; an encoder-decoder
            gets the text of `source_name` alone.
        max_tokens: longest answer.
        beams: of beam search; 1 takes the likeliest token every time.
        length_penalty: of beam search.
        stop: texts that end an answer of a decoder.
    """

    template: str
    max_tokens: int = 128
    beams: int = 1
    length_penalty: float = 1.0
    stop: tuple[str, ...] = ("\n",)

    kinds: ClassVar[tuple[str, ...]] = ("decoder", "encoder_decoder")
    source_name: ClassVar[str]

    @abstractmethod
    def score(
        self,
        texts: Sequence[str],
        examples: Sequence[Row],
        *,
        model: str,
        run_id: str = "",
        notes: tuple[str, ...] = (),
    ) -> TaskResult:
        """Scores of texts, one for each example.

        Raises:
            DataError: another number of texts than of examples, or an empty reference.
        """

    def baseline(self, name: str, examples: Sequence[Row]) -> list[str]:
        """The texts of a baseline, one for each example.

        Raises:
            UsageError: the task has no baseline of that name.
        """
        known = self.baselines()
        if name not in known:
            raise UsageError(
                f"the task {self.name} has no baseline {name!r}",
                hint=f"It has: {', '.join(known) or 'none'}.",
            )
        return [known[name](example) for example in examples]

    def baselines(self) -> Mapping[str, Callable[[Row], str]]:
        """Answers that take no model, by name."""
        return {}

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Generate an answer to each example and score it."""
        self.check(opened, examples)
        prompts, cut = self._prompts(opened, examples)
        made = self._generate(opened, prompts)
        notes: list[str] = []
        if cut:
            notes.append(f"{cut:,} of {len(examples):,} inputs were longer than the model reads")
        unended = sum(one.ended == "length" for one in made)
        if unended:
            notes.append(f"{unended:,} answers were cut at {self.max_tokens:,} tokens")
        return self.score(
            [one.text for one in made],
            examples,
            model=str(opened.folder),
            run_id=opened.run_id,
            notes=tuple(notes),
        )

    def prompt(self, example: Row) -> str:
        """What a decoder is asked.

        Raises:
            UsageError: the template names what an example does not have.
        """
        try:
            return self.template.format(**example)
        except (KeyError, IndexError, ValueError) as error:
            raise UsageError(
                f"the template {self.template!r} does not fit the examples: {error}",
                hint=f"It may name {', '.join(example)} in braces.",
            ) from error

    def _prompts(
        self, opened: OpenModel, examples: Sequence[Row]
    ) -> tuple[list[str | list[int]], int]:
        """Tokens of the prompts, cut to what the model reads, and how many were cut.

        A source loses its end; a decoder's prompt its beginning, so that the question stays.
        """
        pairs = opened.kind == "encoder_decoder"
        prompts: list[str | list[int]] = []
        cut = 0
        left = opened.source_length - 1 if pairs else opened.context_length - self.max_tokens
        room = max(1, left)
        for example in examples:
            text = str(example[self.source_name]) if pairs else self.prompt(example)
            ids = opened.encode(text)
            if len(ids) > room:
                cut += 1
                ids = ids[:room] if pairs else ids[-room:]
            prompts.append(ids)
        return prompts, cut

    def _generate(self, opened: OpenModel, prompts: list[str | list[int]]) -> list[Generation]:
        settings = GenerationSettings(
            temperature=0.0,
            max_tokens=self.max_tokens,
            beams=self.beams,
            length_penalty=self.length_penalty,
            stop=() if opened.kind == "encoder_decoder" else self.stop,
            seed=self.seed,
        )
        return generate(opened, prompts, settings, batch_rows=max(1, self.batch_rows // self.beams))

    def signature_of(self, *parts: str) -> str:
        """How answers are made, then what the metrics say of themselves."""
        search = f"beams:{self.beams}" if self.beams > 1 else "greedy"
        return "|".join([search, f"max_tokens:{self.max_tokens}", *parts])


@runtime_checkable
class ScoresTexts(Protocol):
    """A task whose answers are texts, whoever wrote them: a model, a baseline, a file."""

    def score(self, texts: Sequence[str], examples: Sequence[Row], *, model: str) -> TaskResult: ...

    def baseline(self, name: str, examples: Sequence[Row]) -> list[str]: ...


def check_counts(texts: Sequence[str], examples: Sequence[Row], task: str) -> None:
    """Refuse another number of texts than of examples.

    Raises:
        DataError: as said.
    """
    if len(texts) != len(examples):
        raise DataError(
            f"{task}: {len(texts):,} texts for {len(examples):,} examples",
            hint="Give one text for each example, in their order.",
        )


def with_options(kind: type[Task], options: Mapping[str, Any]) -> Task:
    """A task with options by name.

    Raises:
        UsageError: the task has no such option.
    """
    known = {field.name for field in fields(kind)}
    unknown = [name for name in options if name not in known]
    if unknown:
        raise UsageError(
            f"the task {kind.name} has no option {unknown[0]!r}",
            hint=f"It has {', '.join(sorted(known))}.",
        )
    return kind(**options)
