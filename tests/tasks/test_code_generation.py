"""Problems, programs and scores of the task `code`."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoloss.errors import DataError, EnvironmentProblem, UsageError
from isoloss.tasks import OpenModel
from isoloss.tasks.catalogue import task_class
from isoloss.tasks.code_generation import Code, problem_of
from isoloss.tasks.code_generation import execution as execution_module
from isoloss.tasks.code_generation import scoring as scoring_module
from isoloss.tasks.isolation import Limits, Outcome, isolation_level
from isoloss.tasks.likelihood import continuations

HUMANEVAL: dict[str, Any] = {
    "task_id": "Own/0",
    "prompt": 'def add(a, b):\n    """Add."""\n',
    "entry_point": "add",
    "canonical_solution": "    return a + b\n",
    "test": "def check(candidate):\n    assert candidate(1, 2) == 3\n",
}
MBPP: dict[str, Any] = {
    "task_id": 7,
    "text": "Write a node.",
    "code": "class Node:\r\n\tdef __init__(self, x):\r\n\t\tself.x = x",
    "test_list": ["assert root.x == 5", "assert Node(1).x == 1"],
    "test_setup_code": "root = Node(5)\r\n",
}
FORMATS = {"humaneval": HUMANEVAL, "mbpp": MBPP}


@pytest.fixture
def isolated() -> str:
    try:
        return isolation_level()
    except EnvironmentProblem as error:
        pytest.skip(error.message)


def read(tmp_path: Path, *rows: dict[str, Any], **options: Any) -> tuple[Code, list[Any]]:
    path = tmp_path / "problems.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    task = Code(allow_code_execution=True, **options)
    return task, task.read([path])


@pytest.mark.parametrize("form", FORMATS)
def test_formats_are_told_apart(form: str, tmp_path: Path):
    _, (row,) = read(tmp_path, FORMATS[form])
    problem = problem_of(row)
    assert problem.form == form
    assert problem.name == str(FORMATS[form]["task_id"])
    assert "\r" not in problem.program(problem.solution)


def test_programs_are_put_together(tmp_path: Path):
    _, rows = read(tmp_path, HUMANEVAL, MBPP)
    first, second = map(problem_of, rows)
    assert first.program("    return 3\n") == (
        'def add(a, b):\n    """Add."""\n    return 3\n\n'
        "def check(candidate):\n    assert candidate(1, 2) == 3\n\ncheck(add)\n"
    )
    assert second.prompt == ('"""\nWrite a node.\nassert root.x == 5\nassert Node(1).x == 1\n"""\n')
    assert second.program("Node = 1") == (
        "Node = 1\nroot = Node(5)\n\nassert root.x == 5\nassert Node(1).x == 1"
    )


def test_right_and_wrong_solutions(isolated: str, tmp_path: Path):
    task, rows = read(tmp_path, HUMANEVAL, MBPP)
    right = [problem_of(row).solution for row in rows]
    found = task.score(
        [[right[0], "    return a - b"], ["import sys; sys.exit(0)", "class Node: pass"]],
        rows,
        model="by hand",
    )
    assert [one["endings"] for one in found.outputs] == [
        ["passed", "AssertionError"],
        ["SystemExit", "TypeError"],
    ]
    assert found.metrics["pass_at_1"].value == pytest.approx(0.25)
    assert found.metrics["pass_at_2"].value == pytest.approx(0.5)
    assert set(found.metrics) == {"pass_at_1", "pass_at_2"}
    assert found.signature.endswith(f"isolation:{isolated}")
    assert found.notes == (
        f"1 of 4 programs passed; {isolated}",
        "failed: AssertionError 1, SystemExit 1, TypeError 1",
    )
    both = task.score([[text] for text in right], rows, model="right")
    assert both.metrics["pass_at_1"].value == 1


@pytest.mark.parametrize(
    ("corpus", "count"), [("code_humaneval/HumanEval.jsonl", 5), ("code_mbpp/mbpp.jsonl", 5)]
)
def test_published_solutions_pass_and_broken_ones_fail(
    isolated: str, shared_data: Path, corpus: str, count: int
):
    path = shared_data / "corpora" / corpus
    if not path.is_file():
        pytest.skip(f"no {path}")
    task = Code(allow_code_execution=True)
    rows = task.read([path], limit=count)
    solutions = [problem_of(row).solution for row in rows]
    broken = [text.replace("return", "return None and") for text in solutions]
    found = task.score(list(zip(solutions, broken, strict=True)), rows, model="published")
    assert [one["endings"][0] for one in found.outputs] == ["passed"] * count
    assert all(one["endings"][1] != "passed" for one in found.outputs)


def test_code_runs_only_where_it_is_allowed(
    opened_random: Callable[..., OpenModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(scoring_module, "generate", None)
    monkeypatch.setattr(execution_module, "run_isolated", None)
    _, rows = read(tmp_path, HUMANEVAL)
    for call in (
        lambda: Code().evaluate(opened_random(), rows),
        lambda: Code().score([["    return 3"]], rows, model="by hand"),
    ):
        with pytest.raises(UsageError, match="must be allowed") as caught:
            call()
        assert "--allow-code-execution" in caught.value.hint
        assert "likelihood gives solution_bits_per_byte alone" in caught.value.hint


def test_refused_before_anything_is_generated(
    opened_random: Callable[..., OpenModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def none_here() -> str:
        raise EnvironmentProblem("programs cannot be isolated on this machine")

    monkeypatch.setattr(scoring_module, "isolation_level", none_here)
    monkeypatch.setattr(scoring_module, "generate", None)
    task, rows = read(tmp_path, HUMANEVAL)
    with pytest.raises(EnvironmentProblem, match="cannot be isolated"):
        task.evaluate(opened_random(), rows)


def test_a_model_is_evaluated(
    isolated: str, opened_random: Callable[..., OpenModel], tmp_path: Path
):
    """A model of letters writes no program; its figures are still what they are."""
    opened = opened_random(context_length=64)
    task, rows = read(
        tmp_path, HUMANEVAL, MBPP, samples=2, temperature=1.0, max_tokens=6, stop=("\n",)
    )
    found = task.evaluate(opened, rows)
    assert found.metrics["pass_at_1"].value == found.metrics["pass_at_2"].value == 0
    assert all(len(set(one["completions"])) == 2 for one in found.outputs)
    assert "temperature:1|max_tokens:6" in found.signature
    assert "humaneval+mbpp|samples:2" in found.signature
    problems = [problem_of(row) for row in rows]
    scores = continuations(opened, [(p.prompt.rstrip(), "\n" + p.solution) for p in problems])
    nats = -sum(one.total for one in scores)
    size = sum(len(("\n" + p.solution).encode()) for p in problems)
    assert found.metrics["solution_bits_per_byte"].value == pytest.approx(nats / size / math.log(2))
    again = Code(
        allow_code_execution=True, samples=2, temperature=1.0, max_tokens=6, stop=("\n",),
        workers=1, batch_rows=1,
    ).evaluate(opened, rows)  # fmt: skip
    assert again.outputs == found.outputs
    for name, terms in found.statistics.items():
        np.testing.assert_allclose(again.statistics[name], terms, rtol=1e-5)


def test_solutions_beyond_the_context_have_no_bits(
    isolated: str, opened_random: Callable[..., OpenModel], tmp_path: Path
):
    long = {**HUMANEVAL, "canonical_solution": "    return " + "a" * 60}
    task, rows = read(tmp_path, long, max_tokens=2)
    found = task.evaluate(opened_random(), rows)
    assert "solution_bits_per_byte" not in found.metrics
    assert "solutions longer than the context, without bits: 1" in found.notes


def test_other_kinds_of_model_are_refused(
    isolated: str, opened_random: Callable[..., OpenModel], tmp_path: Path
):
    task, rows = read(tmp_path, HUMANEVAL)
    with pytest.raises(UsageError, match="needs a model of kind decoder"):
        task.evaluate(opened_random("bert"), rows)


def test_the_same_program_is_run_once(monkeypatch: pytest.MonkeyPatch):
    ran: list[str] = []

    def pretend(program: str, *, limits: Limits) -> Outcome:
        ran.append(program)
        return Outcome(
            status="passed", kind=program, exit_code=0, stdout="", stderr="", seconds=0, level=""
        )

    monkeypatch.setattr(execution_module, "run_isolated", pretend)
    ended = execution_module.run_programs(["b", "a", "b"], Limits(), workers=2)
    assert [one.kind for one in ended] == ["b", "a", "b"]
    assert sorted(ran) == ["a", "b"]


def test_progress_only_where_it_takes_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    execution_module.Progress("programs run", 1).one_more()
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(execution_module, "QUIET_SECONDS", -1)
    progress = execution_module.Progress("programs run", 100)
    hear = progress.hearing()
    for done in range(50):
        progress.one_more()
        hear(done, "a")
        hear(done, "b")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1] == "programs run: 100 of 100"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test": None}, "no tests: expected 'test_list' as in MBPP"),
        ({"entry_point": "add; import os"}, "entry_point: expected the name of a function"),
        ({"test_list": "assert True"}, "test_list: expected a list of statements"),
        ({"test_list": []}, "test_list: expected a list of statements"),
        ({"prompt": 3}, "expected a text, found 3"),
        ({"canonical_solution": " "}, "an empty text"),
    ],
)
def test_examples_that_are_no_problems(change: dict[str, Any], message: str, tmp_path: Path):
    _, (row,) = read(tmp_path, {**HUMANEVAL, **change})
    with pytest.raises(DataError, match=r"problems\.jsonl, row 1.*" + message):
        problem_of(row)


def test_solutions_are_needed(tmp_path: Path):
    with pytest.raises(DataError, match="no 'solution'"):
        read(tmp_path, {name: HUMANEVAL[name] for name in HUMANEVAL if "canon" not in name})


def test_template_of_mbpp(tmp_path: Path):
    _, (row,) = read(tmp_path, MBPP)
    assert problem_of(row, "# {text}\n").prompt == "# Write a node.\n"
    with pytest.raises(UsageError, match="cannot be filled"):
        problem_of(row, "{prompt}")


@pytest.mark.parametrize("count", [[], [["x"], ["y"]], [[]]])
def test_completions_for_every_problem(count: list[list[str]], tmp_path: Path):
    task, rows = read(tmp_path, HUMANEVAL)
    with pytest.raises(DataError, match="for 1 problems"):
        task.score(count, rows, model="by hand")


def test_options_are_checked():
    with pytest.raises(UsageError, match="one and the same"):
        Code(samples=5)
    with pytest.raises(UsageError, match="workers must be a whole number"):
        Code(workers=0)


def test_is_in_the_catalogue():
    assert task_class("code") is Code
