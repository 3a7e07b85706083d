"""Task files that would run code: each is refused, and leaves no trace."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from isoloss.errors import DataError, IsolossError, NotFoundError, UsageError
from isoloss.tasks.harness import evaluate_harness
from isoloss.tasks.harness.guarding import guarded, refuse_code

EVIL = """
from pathlib import Path

Path({trace!r}).touch()

def score(*_, **__):
    return 1.0
"""


@pytest.fixture
def trace(task_folder: Path, tmp_path: Path) -> Path:
    """The file that appears where the code beside the tasks runs."""
    path = tmp_path / "trace"
    (task_folder / "evil.py").write_text(EVIL.format(trace=str(path)), "utf-8")
    return path


def change(task_folder: Path, old: str, new: str) -> None:
    path = task_folder / "choice.yaml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), "utf-8")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("doc_to_target: answer", "doc_to_target: !function evil.score", "'!function' would run"),
        (
            "metadata:",
            "process_docs: !function evil.score\nmetadata:",
            r"choice.yaml, line \d+: '!",
        ),
        ("metadata:", "class: !function evil.score\nmetadata:", "'!function' would run Python"),
        ("metadata:", "unsafe_code: true\nmetadata:", "runs code that the model writes"),
        ("path: json", "path: pandas", "reads a pickle"),
        ("metric: acc,", "metric: {folder}/evil.py, hf_evaluate: true,", "is no metric of lm-eval"),
        ("metric: acc,", "metric: accurate,", "'accurate' is no metric of lm-eval"),
    ],
)
def test_code_is_refused(
    opened_random: Any, task_folder: Path, trace: Path, old: str, new: str, message: str
) -> None:
    change(task_folder, old, new.replace("{folder}", str(task_folder)))
    with pytest.raises(UsageError, match=message):
        evaluate_harness(opened_random("llama"), ["tiny_group"], include_path=task_folder)
    assert not trace.exists()


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__.os.system('touch TRACE') }}",
        "{{ question.__class__.__base__.__subclasses__() | length }}",
        "{{ lipsum.__globals__['os'].popen('touch TRACE').read() }}",
    ],
)
def test_a_template_cannot_reach_python(
    opened_random: Any, task_folder: Path, trace: Path, template: str
) -> None:
    change(task_folder, "{{question}}", template.replace("TRACE", str(trace)).replace('"', "'"))
    with pytest.raises(DataError, match=r"SecurityError|UndefinedError"):
        evaluate_harness(opened_random("llama"), ["tiny_choice"], include_path=task_folder)
    assert not trace.exists()


def test_an_included_file_is_looked_at_too(
    opened_random: Any, task_folder: Path, trace: Path
) -> None:
    (task_folder / "base").write_text("process_results: !function evil.score\n", "utf-8")
    change(task_folder, "task: tiny_choice", "include: base\ntask: tiny_choice")
    with pytest.raises(UsageError, match="base, line 1: '!function'"):
        evaluate_harness(opened_random("llama"), ["tiny_choice"], include_path=task_folder)
    assert not trace.exists()
    # Tasks that are not asked for may be anything.
    evaluate_harness(opened_random("llama"), ["tiny_texts"], include_path=task_folder, limit=1)
    assert not trace.exists()


def test_an_installed_task_is_trusted_but_not_where_others_include_it(tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    installed.mkdir()
    (installed / "task.yaml").write_text("doc_to_text: !function utils.text\n", "utf-8")
    refuse_code(installed / "task.yaml", installed)
    other = tmp_path / "other.yaml"
    other.write_text("include: installed/task.yaml\nunsafe_code: false\n", "utf-8")
    with pytest.raises(UsageError, match="would run Python"):
        refuse_code(other, installed)


def test_an_object_of_python_is_refused(
    opened_random: Any, task_folder: Path, trace: Path, only_given: None
) -> None:
    new = f"x: !!python/object/apply:pathlib.Path.touch [{trace}]\nmetadata:"
    change(task_folder, "metadata:", new)
    with pytest.raises(NotFoundError, match="no task named 'tiny_choice'"):
        evaluate_harness(opened_random("llama"), ["tiny_group"], include_path=task_folder)
    with pytest.raises(UsageError, match="would run Python"):
        refuse_code(task_folder / "choice.yaml", task_folder / "installed")
    assert not trace.exists()


def test_values_within_themselves(opened_random: Any, task_folder: Path, only_given: None) -> None:
    text = "group: ring\ntask: &a [{task: *a}, tiny_texts]\nmore: &b [*b]\n"
    (task_folder / "ring.yaml").write_text(text, "utf-8")
    with pytest.raises(DataError, match="cannot load ring"):
        evaluate_harness(opened_random("llama"), ["ring"], include_path=task_folder)


@pytest.mark.parametrize("text", ["a: [", "\x00", "- 1", "include: gone.yaml", "a: &a [*a]"])
def test_files_that_are_no_tasks(tmp_path: Path, text: str) -> None:
    path = tmp_path / "task.yaml"
    path.write_text(text, "utf-8")
    try:
        refuse_code(path, tmp_path / "installed")
    except IsolossError as error:
        assert isinstance(error, DataError)  # noqa: PT017


@pytest.mark.parametrize("held", [False, True])
def test_metrics_of_the_hub_are_refused(
    task_folder: Path, held: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "evaluate", raising=False)
    real = ModuleType("evaluate")
    real.load = print  # type: ignore[attr-defined]
    if held:
        monkeypatch.setitem(sys.modules, "evaluate", real)
    with guarded():
        import evaluate

        assert (evaluate is real) == held
        with pytest.raises(UsageError, match="'code_eval' is code of the hub"):
            evaluate.load("code_eval")
    assert real.load is print
    assert ("evaluate" in sys.modules) == held
