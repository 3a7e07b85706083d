"""An example in the format of HumanEval or of MBPP → what is asked, and a program that tests it."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isoloss.errors import DataError, UsageError
from isoloss.tasks.examples import Row, text_of

HUMANEVAL = "humaneval"
MBPP = "mbpp"
# Chen et al. 2021 (arXiv:2107.03374), section 2.1: what can only begin after the function.
# Solutions of MBPP may have several functions, so theirs end at what a page of code puts last.
STOPS = {
    HUMANEVAL: ("\nclass ", "\ndef ", "\n#", "\nif ", "\nprint"),
    MBPP: ("\nassert", '\n"""', "\nif ", "\nprint"),
}
MBPP_TEMPLATE = '"""\n{text}\n{tests}\n"""\n'


@dataclass(frozen=True, kw_only=True, repr=False)
class Problem:
    """What a model is asked to write.

    Attributes:
        name: its `task_id`, or where it was read.
        form: `humaneval` (the prompt is the beginning of the program) or `mbpp` (it describes
            the whole program).
        prompt: what the model sees.
        solution: one that is right.
        tests: what is run after a completion.
    """

    name: str
    form: str
    prompt: str
    solution: str
    tests: str

    def __repr__(self) -> str:
        return f"<Problem {self.name}: {self.form}, {len(self.prompt):,} characters>"

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end a completion."""
        return STOPS[self.form]

    def program(self, completion: str) -> str:
        """The program that reaches its end where the completion is right."""
        before = self.prompt if self.form == HUMANEVAL else ""
        return f"{before}{completion}\n{self.tests}"


def problem_of(example: Row, template: str = MBPP_TEMPLATE) -> Problem:
    """The problem in an example: MBPP has a `test_list`, HumanEval `test` and `entry_point`.

    Args:
        example: with the names of `Code.reads`.
        template: of the prompt of MBPP, with `{text}` and `{tests}`.

    Raises:
        DataError: a part is missing or is not what it should be.
        UsageError: the template names something else.

    >>> given = {"place": "row 1", "prompt": "Add.", "test_list": ["assert f(1, 2) == 3"],
    ...          "solution": "def f(a, b): return a + b"}
    >>> print(problem_of(given).program("def f(a, b): return a - b"))
    def f(a, b): return a - b
    <BLANKLINE>
    assert f(1, 2) == 3
    """
    place = str(example["place"])
    parts = {
        "name": str(example.get("task_id", place)),
        "solution": _code(example["solution"], place),
    }
    asked = _code(example["prompt"], place)
    if example.get("test_list") is not None:
        tests = _tests(example["test_list"], place)
        prompt = _filled(template, asked, tests)
        # The set-up uses what the solution defines.
        setup = _setup(example.get("test_setup_code"), place)
        return Problem(form=MBPP, prompt=prompt, tests="\n".join([setup, *tests]), **parts)
    if example.get("test") is None or example.get("entry_point") is None:
        raise DataError(
            f"{place}: no tests: expected 'test_list' as in MBPP, or 'test' and 'entry_point' as"
            f" in HumanEval; found {', '.join(name for name in example if name != 'place')}",
            hint='Name them with --map "test_list=THEIR NAME".',
        )
    entry = example["entry_point"]
    if not isinstance(entry, str) or not entry.isidentifier() or keyword.iskeyword(entry):
        raise DataError(f"{place}: entry_point: expected the name of a function, found {entry!r}")
    checks = f"{_code(example['test'], place)}\ncheck({entry})\n"
    return Problem(form=HUMANEVAL, prompt=asked, tests=checks, **parts)


def _code(value: Any, place: str) -> str:
    return text_of(value, place).replace("\r\n", "\n")


def _tests(value: Any, place: str) -> list[str]:
    if not isinstance(value, list) or not value or not all(isinstance(t, str) for t in value):
        raise DataError(f"{place}: test_list: expected a list of statements, found {value!r:.80}")
    return [test.replace("\r\n", "\n") for test in value]


def _setup(value: Any, place: str) -> str:
    """Statements before the tests, one text or a list of them, or nothing."""
    lines = value if isinstance(value, list) else [value or ""]
    return "\n".join(text_of(line, place, empty=True) for line in lines).replace("\r\n", "\n")


def _filled(template: str, text: str, tests: list[str]) -> str:
    values: Mapping[str, str] = {"text": text.strip(), "tests": "\n".join(tests)}
    try:
        return template.format(**values)
    except (KeyError, IndexError, ValueError) as error:
        raise UsageError(
            f"the template {template!r} cannot be filled: {error}",
            hint="It may name {text} and {tests}.",
        ) from error
