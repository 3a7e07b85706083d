"""The task: complete a program, run its tests, and count.

Beside pass@k, a threshold, stands a smooth figure: how well the model predicts a solution that is
right, in bits per byte (of threshold metrics that look like jumps: arXiv:2304.15004).
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from isoloss.errors import DataError, UsageError
from isoloss.tasks.code_generation.execution import Progress, run_programs
from isoloss.tasks.code_generation.problems import MBPP_TEMPLATE, Problem, problem_of
from isoloss.tasks.examples import Row
from isoloss.tasks.generation import GenerationSettings, generate
from isoloss.tasks.isolation import Limits, Outcome, isolation_level
from isoloss.tasks.likelihood import continuations, encoded_pair
from isoloss.tasks.metric import FloatArray, Metric, mean_metric, mean_statistics
from isoloss.tasks.opening import OpenModel
from isoloss.tasks.pass_at_k import pass_at_k
from isoloss.tasks.results import TaskResult
from isoloss.tasks.task import Task, check_counted

KS = (1, 2, 5, 10, 100)
SEED_STEP = 1_000_003
"""Between the seeds of two samples of a problem: far, so that another `seed` shares none."""


def _bits_per_byte(sums: FloatArray) -> FloatArray:
    with np.errstate(all="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1] / math.log(2), dtype=np.float64)


_PASS = {k: mean_metric(f"pass_at_{k}") for k in KS}
_BITS = Metric(
    "solution_bits_per_byte", _bits_per_byte, higher_is_better=False, unit="bits_per_byte"
)


@dataclass(frozen=True, kw_only=True)
class Code(Task):
    """Programs that a model writes, run against their tests (HumanEval, MBPP).

    Args:
        allow_code_execution: run what the model wrote; without it nothing is.
        samples: completions of a problem.
        temperature: of sampling; 0 takes the likeliest token every time.
        top_p: of sampling.
        max_tokens: longest completion.
        template: of the prompt of MBPP, with `{text}` and `{tests}`.
        stop: texts that end a completion; those of the format when None.
        seconds: that a program may take.
        memory_mib: that each of its processes may take.
        workers: programs at a time.
    """

    allow_code_execution: bool = False
    samples: int = 1
    temperature: float = 0.0
    top_p: float | None = None
    max_tokens: int = 256
    template: str = MBPP_TEMPLATE
    stop: tuple[str, ...] | None = None
    seconds: float = 10.0
    memory_mib: int = 512
    workers: int = 2

    name: ClassVar[str] = "code"
    about: ClassVar[str] = "programs that pass their tests: pass@k (HumanEval, MBPP)"
    kinds: ClassVar[tuple[str, ...]] = ("decoder",)
    reads: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "prompt": ("text",),
        "solution": ("canonical_solution", "code"),
        "task_id": (),
        "test": (),
        "entry_point": (),
        "test_list": (),
        "test_setup_code": ("test_imports",),
    }
    optional: ClassVar[tuple[str, ...]] = (
        "task_id", "test", "entry_point", "test_list", "test_setup_code",
    )  # fmt: skip
    metrics: ClassVar[tuple[Metric, ...]] = (*_PASS.values(), _BITS)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_counted(self, "samples", "workers", "max_tokens", "memory_mib")
        if not 0 < self.seconds < math.inf:
            raise UsageError(f"seconds must be positive, found {self.seconds!r}")
        if self.samples > 1 and self.temperature == 0:
            raise UsageError(
                f"{self.samples} samples at temperature 0 are one and the same",
                hint="Set a temperature: 0.2 suits pass@1, 0.8 suits pass@100.",
            )

    def evaluate(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """Complete every problem, run the programs and count those that pass.

        Raises:
            UsageError: running programs is not allowed, or the model is of another kind.
            DataError: an example that is no problem.
            EnvironmentProblem: this machine cannot isolate programs.
        """
        self._check_allowed()
        self.check(opened, examples)
        isolation_level()  # before the work, not after
        problems = [problem_of(example, self.template) for example in examples]
        completions = self._complete(opened, problems)
        terms, notes = self._solution_bits(opened, problems)
        long = sum(len(opened.encode(p.prompt)) > opened.context_length for p in problems)
        if long:
            notes.append(f"prompts cut to what the model reads: {long:,}")
        return self._scored(
            problems,
            completions,
            {_BITS: terms} if terms[:, 1].any() else {},
            made=self._made(),
            model=str(opened.folder),
            run_id=opened.run_id,
            notes=notes,
        )

    def likelihood(self, opened: OpenModel, examples: Sequence[Row]) -> TaskResult:
        """How well a model predicts solutions that are right; no program is run.

        Raises:
            UsageError: the model is of another kind.
            DataError: an example that is no problem, or no solution fits the model's context.
        """
        self.check(opened, examples)
        problems = [problem_of(example, self.template) for example in examples]
        terms, notes = self._solution_bits(opened, problems)
        if not terms[:, 1].any():
            raise DataError(
                f"{self.name}: no solution fits a context of {opened.context_length:,} tokens",
                hint="Take models with a longer context, or shorter problems.",
            )
        forms = "+".join(dict.fromkeys(problem.form for problem in problems))
        return self.result(
            {_BITS: terms},
            ({"input": p.prompt, "task_id": p.name} for p in problems),
            model=opened,
            signature=f"{forms}|likelihood of the solution|nothing is run",
            notes=tuple(notes),
        )

    def score(
        self,
        completions: Sequence[Sequence[str]],
        examples: Sequence[Row],
        *,
        model: str,
        run_id: str = "",
        notes: tuple[str, ...] = (),
    ) -> TaskResult:
        """Scores of any completions, a list of them for each problem.

        Raises:
            UsageError: running programs is not allowed.
            DataError: a problem has no completions, or an example is no problem.
            EnvironmentProblem: this machine cannot isolate programs.
        """
        self._check_allowed()
        if len(completions) != len(examples) or not all(completions):
            raise DataError(
                f"{self.name}: {sum(map(bool, completions)):,} lists of completions for"
                f" {len(examples):,} problems",
                hint="Give one or more completions for each problem, in their order.",
            )
        problems = [problem_of(example, self.template) for example in examples]
        return self._scored(
            problems, completions, {}, made="given", model=model, run_id=run_id, notes=notes
        )

    def _check_allowed(self) -> None:
        if not self.allow_code_execution:
            raise UsageError(
                "the task code runs programs that a model wrote, and that must be allowed",
                hint="Add --allow-code-execution (in Python allow_code_execution=True). They run"
                " in isolation; docs/code-tasks.md says what that keeps out. In Python,"
                " Code().likelihood gives solution_bits_per_byte alone and runs nothing.",
            )

    def _complete(self, opened: OpenModel, problems: Sequence[Problem]) -> list[list[str]]:
        """`samples` completions of each problem."""
        found: list[list[str]] = [[] for _ in problems]
        progress = Progress("completions begun", len(problems) * self.samples)
        for stops in dict.fromkeys(self._stops(problem) for problem in problems):
            chosen = [i for i, p in enumerate(problems) if self._stops(p) == stops]
            prompts = [problems[i].prompt for i in chosen]
            for sample in range(self.samples):
                made = generate(
                    opened,
                    prompts,
                    self._settings(stops, sample),
                    batch_rows=self.batch_rows,
                    on_text=progress.hearing(),
                )
                for place, one in zip(chosen, made, strict=True):
                    found[place].append(one.text)
        return found

    def _settings(self, stops: tuple[str, ...], sample: int) -> GenerationSettings:
        return GenerationSettings(
            temperature=self.temperature,
            top_p=self.top_p,
            max_tokens=self.max_tokens,
            stop=stops,
            seed=self.seed + sample * SEED_STEP,
        )

    def _stops(self, problem: Problem) -> tuple[str, ...]:
        return problem.stops if self.stop is None else self.stop

    def _solution_bits(
        self, opened: OpenModel, problems: Sequence[Problem]
    ) -> tuple[FloatArray, list[str]]:
        """Nats and bytes of each right solution after its prompt; zeros where it is too long."""
        terms = np.zeros((len(problems), 2))
        fits: list[int] = []
        for place, problem in enumerate(problems):
            _, after = encoded_pair(opened, problem.prompt, problem.solution)
            if len(after) <= opened.context_length:
                fits.append(place)
        pairs = [(problems[i].prompt, problems[i].solution) for i in fits]
        for place, found in zip(
            fits, continuations(opened, pairs, batch_rows=self.batch_rows), strict=True
        ):
            prompt, solution = problems[place].prompt, problems[place].solution
            # Spaces at the end of the prompt are scored with the solution.
            size = len(solution.encode()) + len(prompt) - len(prompt.rstrip())
            terms[place] = -found.total, size
        left = len(problems) - len(fits)
        notes = [f"solutions longer than the context, without bits: {left:,}"] if left else []
        return terms, notes

    def _scored(
        self,
        problems: Sequence[Problem],
        completions: Sequence[Sequence[str]],
        terms: Mapping[Metric, FloatArray],
        *,
        made: str,
        model: str,
        run_id: str,
        notes: Sequence[str],
    ) -> TaskResult:
        outcomes = self._run(problems, completions)
        least = min(map(len, completions))
        passes = {
            _PASS[k]: mean_statistics(
                [pass_at_k(len(one), sum(o.passed for o in one), k) for one in outcomes]
            )
            for k in KS
            if k <= least
        }
        outputs = (
            {
                "input": problem.prompt,
                "task_id": problem.name,
                "completions": list(texts),
                "endings": [outcome.kind for outcome in ended],
                "passed": sum(outcome.passed for outcome in ended),
            }
            for problem, texts, ended in zip(problems, completions, outcomes, strict=True)
        )
        return self.result(
            {**passes, **terms},
            outputs,
            model=model,
            run_id=run_id,
            made=made,
            signature=self._signature(problems, least),
            notes=(*notes, *_told([o for ended in outcomes for o in ended])),
        )

    def _run(
        self, problems: Sequence[Problem], completions: Sequence[Sequence[str]]
    ) -> list[list[Outcome]]:
        limits = Limits(
            seconds=self.seconds,
            cpu_seconds=max(1, int(self.seconds)),
            memory_bytes=self.memory_mib * 2**20,
        )
        programs = [
            problem.program(text)
            for problem, texts in zip(problems, completions, strict=True)
            for text in texts
        ]
        ended = iter(run_programs(programs, limits, workers=self.workers))
        return [[next(ended) for _ in texts] for texts in completions]

    def _made(self) -> str:
        """How completions are made, for the signature."""
        parts: dict[str, Any] = {
            "temperature": f"{self.temperature:g}",
            "top_p": self.top_p,
            "max_tokens": self.max_tokens,
            "stop": self.stop,
            "template": self.template if self.template != MBPP_TEMPLATE else None,
        }
        return "|".join(f"{name}:{value}" for name, value in parts.items() if value is not None)

    def _signature(self, problems: Sequence[Problem], samples: int) -> str:
        forms = "+".join(dict.fromkeys(problem.form for problem in problems))
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        return (
            f"{forms}|samples:{samples}|seconds:{self.seconds:g}"
            f"|memory_mib:{self.memory_mib}|python:{python}|isolation:{isolation_level()}"
        )


def _told(outcomes: Sequence[Outcome]) -> list[str]:
    """How many programs passed, and how the others failed, the commonest first."""
    passed = sum(outcome.passed for outcome in outcomes)
    lines = [f"{passed:,} of {len(outcomes):,} programs passed; {outcomes[0].level}"]
    kinds = Counter(outcome.kind for outcome in outcomes if not outcome.passed)
    if kinds:
        lines.append("failed: " + ", ".join(f"{kind} {n:,}" for kind, n in kinds.most_common(6)))
    return lines
