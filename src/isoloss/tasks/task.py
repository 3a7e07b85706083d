"""What a task is: examples, what a model makes of them, and how that is scored."""

from __future__ import annotations

import difflib
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from isoloss.errors import DataError, UsageError
from isoloss.tasks._shortening import answer_room, shortened
from isoloss.tasks._templates import filled
from isoloss.tasks.examples import Row, joined, read_examples
from isoloss.tasks.generation import Generation, GenerationSettings, generate
from isoloss.tasks.metric import FloatArray, Metric, check_level
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.results import GIVEN, TaskResult, scored


@dataclass(frozen=True, kw_only=True)
class Task(ABC):
    """A way to score a model.

    Args:
        batch_rows: rows of the model at a time.
        level: of the intervals over examples.
        seed: of the bootstrap, and of sampling where there is any.

    Raises:
        UsageError: an option is out of its range.

    Class attributes: `name`; `about`, one line; `kinds` of models; `reads`, the names of an
    example with other names that mean the same, `optional` among them; `metrics` by name, so
    that saved results can be compared; `baseline_names` of what takes no model.
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
    baseline_names: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        check_counted(self, "batch_rows")
        check_counted(self, "seed", least=0)
        check_level(self.level)

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

    def result(
        self,
        terms: Mapping[Metric, FloatArray],
        outputs: Iterable[Mapping[str, Any]],
        *,
        model: OpenModel | str,
        run_id: str = "",
        **told: Any,
    ) -> TaskResult:
        """A result of the task, at its `level` and with its `seed`.

        An opened model names its folder and its run; `told` is `signature`, and perhaps `made`,
        `clusters` and `notes`.

        Raises:
            DataError: there are no examples.
        """
        if not isinstance(model, str):
            model, run_id = str(model.folder), model.run_id
        return scored(
            terms,
            task=self.name,
            model=model,
            run_id=run_id,
            outputs=tuple(outputs),
            level=self.level,
            seed=self.seed,
            **told,
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
            gets the text of `source_name` alone. Of a prompt that is too long the text of
            `long_name` loses its end.
        max_tokens: longest answer. In a decoder the default is at most half of the context;
            another number must leave room for a prompt.
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
    long_name: ClassVar[str] = "source"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counted(self, "max_tokens", "beams")
        if not math.isfinite(self.length_penalty):
            raise UsageError(f"length_penalty must be a number, found {self.length_penalty!r}")
        if "" in self.stop:
            raise UsageError("a stop text must not be empty")

    @abstractmethod
    def references(self, example: Row) -> list[str]:
        """The right answers of an example.

        Raises:
            DataError: none, or an empty one.
        """

    @abstractmethod
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
        """Scores of texts, one for each example.

        Args:
            texts: whoever wrote them.
            examples: what they answer.
            model: folder or name of who wrote them.
            made: how they were made, for the signature.
            run_id: of the run that trained the model.
            notes: what to know of the texts.

        Raises:
            DataError: another number of texts than of examples, or an empty reference.
        """

    def baseline(self, name: str, examples: Sequence[Row], train: Sequence[Row] = ()) -> list[str]:
        """The texts of a baseline, one for each example.

        Args:
            name: which.
            examples: what is to be answered.
            train: examples that a baseline may learn from.

        Raises:
            UsageError: the task has no baseline of that name, or it does not learn.
        """
        known = self.baselines()
        if name not in known:
            raise no_baseline(self, name)
        check_untrained(name, train)
        return [known[name](example) for example in examples]

    def baselines(self) -> Mapping[str, Callable[[Row], str]]:
        """Answers that take no model, by name."""
        return {}

    def result(
        self,
        terms: Mapping[Metric, FloatArray],
        outputs: Iterable[Mapping[str, Any]],
        *,
        notes: Sequence[str] = (),
        **told: Any,
    ) -> TaskResult:
        """As any task's; a note counts the answers that are empty and should not be."""
        rows = tuple(outputs)
        asked = [one for one in rows if any(one["references"])]
        empty = sum(not one["output"].strip() for one in asked)
        if empty:
            whose = "outputs" if len(asked) == len(rows) else "outputs that should hold an answer"
            notes = (*notes, f"{empty:,} of {len(asked):,} {whose} are empty")
        return super().result(terms, rows, notes=tuple(notes), **told)

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Generate an answer to each example and score it; what is cut is told in the notes."""
        self.check(opened, examples)
        prompts = [self.prompt_tokens(opened, example) for example in examples]
        made = self._generate(opened, [ids for ids, _ in prompts])
        notes: list[str] = []
        cut = sum(shorter for _, shorter in prompts)
        if cut:
            notes.append(f"{cut:,} of {len(examples):,} inputs were longer than the model reads")
        longest = self.answer_tokens(opened)
        if opened.kind == "decoder" and longest < self.max_tokens:
            notes.append(
                f"max_tokens is {longest:,}, half of the context of {opened.context_length:,}:"
                f" {self.max_tokens:,} would leave too little for a prompt"
            )
        unended = sum(one.ended == "length" for one in made)
        if unended:
            notes.append(f"{unended:,} answers were cut at {longest:,} tokens")
        return self.score(
            [one.text for one in made],
            examples,
            model=str(opened.folder),
            made=self.made(opened),
            run_id=opened.run_id,
            notes=tuple(notes),
        )

    def check(self, opened: OpenModel, examples: Sequence[Row]) -> None:
        """Refuse also what could not be scored, before anything is generated."""
        super().check(opened, examples)
        self.answer_tokens(opened)
        for example in examples:
            self.references(example)

    def answer_tokens(self, opened: OpenModel) -> int:
        """Longest answer of a model: `max_tokens`, or less where its context is short.

        Raises:
            UsageError: `max_tokens` is not the default and leaves no room for a prompt.
        """
        return answer_room(opened, self.max_tokens, type(self).max_tokens)

    def source(self, example: Row) -> str:
        """What an encoder-decoder reads; a list of sentences as one text.

        Raises:
            DataError: no text.
        """
        return joined(example[self.source_name], example["place"])

    def prompt(self, example: Row) -> str:
        """What a decoder is asked.

        Raises:
            UsageError: the template names what an example does not have.
        """
        given = {**example}
        if isinstance(example.get(self.long_name), list):
            given[self.long_name] = joined(example[self.long_name], example["place"])
        return filled(self.template, given)

    def prompt_tokens(self, opened: OpenModel, example: Row) -> tuple[list[int], bool]:
        """What a model reads of an example, in evaluation as in training, and whether it was cut.

        A source loses its end. In a decoder's prompt the text of `long_name` loses its end, so
        that its beginning and the rest of the template stay; only where that is not enough does
        the prompt lose its beginning.

        Raises:
            UsageError: as `answer_tokens`.
        """
        if opened.kind == "encoder_decoder":
            ids = opened.encode(self.source(example))
            room = opened.source_room
            return ids[:room], len(ids) > room
        ids = opened.encode(self.prompt(example))
        taken = len(opened.before) + self.answer_tokens(opened)
        room = max(1, opened.context_length - taken)
        if len(ids) <= room:
            return ids, False

        def asked(text: str) -> list[int]:
            return opened.encode(self.prompt({**example, self.long_name: text}))

        long = joined(example.get(self.long_name) or "", example["place"], empty=True)
        part = shortened(long, opened.tokenizer, lambda text: len(asked(text)), room)
        return (ids[-room:] if part is None else asked(part)), True

    def _generate(self, opened: OpenModel, prompts: Sequence[list[int]]) -> list[Generation]:
        settings = GenerationSettings(
            temperature=0.0,
            max_tokens=self.answer_tokens(opened),
            beams=self.beams,
            length_penalty=self.length_penalty,
            stop=() if opened.kind == "encoder_decoder" else self.stop,
            seed=self.seed,
        )
        return generate(opened, prompts, settings, batch_rows=max(1, self.batch_rows // self.beams))

    def made(self, opened: OpenModel) -> str:
        """How a model's answers are made, for the signature."""
        parts = [f"beams:{self.beams}" if self.beams > 1 else "greedy"]
        if self.beams > 1 and self.length_penalty != 1:
            parts.append(f"length_penalty:{self.length_penalty:g}")
        parts.append(f"max_tokens:{self.answer_tokens(opened)}")
        if opened.kind == "encoder_decoder":
            parts.append(f"source:{opened.source_length}")
        default = type(self).__dataclass_fields__["template"].default
        if opened.kind == "decoder" and self.template != default:
            parts.append(f"template:{self.template!r}")
        return "|".join(parts)


@runtime_checkable
class ScoresTexts(Protocol):
    """A task whose answers are texts, whoever wrote them: a model, a baseline, a file."""

    def score(
        self, texts: Sequence[str], examples: Sequence[Row], *, model: str, made: str = GIVEN
    ) -> TaskResult: ...

    def baseline(
        self, name: str, examples: Sequence[Row], train: Sequence[Row] = ()
    ) -> list[str]: ...


def baseline_result(
    task: ScoresTexts, name: str, examples: Sequence[Row], train: Sequence[Row] = ()
) -> TaskResult:
    """Scores of a baseline, named as such.

    Raises:
        UsageError: the task has no baseline of that name; DataError: as `score`.
    """
    texts = task.baseline(name, examples, train)
    told = f"baseline {name}"
    return task.score(texts, examples, model=told, made=told)


def no_baseline(task: Task, name: str) -> UsageError:
    """The error of a baseline that a task does not have."""
    return UsageError(
        f"the task {task.name} has no baseline {name!r}",
        hint=f"It has: {', '.join(task.baseline_names) or 'none'}.",
    )


def check_untrained(name: str, train: Sequence[Row]) -> None:
    """Refuse examples for a baseline that does not learn from any.

    Raises:
        UsageError: as said.
    """
    if train:
        raise UsageError(
            f"the baseline {name} does not learn from examples", hint="Leave the training out."
        )


def check_counted(task: Task, *names: str, least: int = 1) -> None:
    """Refuse options that are no whole numbers, or too small ones; None is let through.

    Raises:
        UsageError: as said.
    """
    for name in names:
        value = getattr(task, name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UsageError(f"{name} must be a whole number of at least {least}, found {value!r}")


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
        own = sorted(known - {"level", "seed"})  # the command line has flags for these
        close = difflib.get_close_matches(unknown[0], own, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise UsageError(
            f"the task {kind.name} has no option {unknown[0]!r}",
            hint=f"{meant}It has {', '.join(own)}.",
        )
    return kind(**options)
