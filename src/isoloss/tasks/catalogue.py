"""Every task by name, imported when it is asked for."""

from __future__ import annotations

import difflib
import importlib

from isoloss.errors import NotFoundError
from isoloss.tasks.task import Task

TASKS: dict[str, str] = {
    "perplexity": "isoloss.tasks.perplexity:Perplexity",
    "generation": "isoloss.tasks.text_generation:TextGeneration",
    "choices": "isoloss.tasks.choices:Choices",
    "cloze": "isoloss.tasks.cloze:Cloze",
    "last-word": "isoloss.tasks.cloze:LastWord",
    "code": "isoloss.tasks.code_generation:Code",
    "question-answering": "isoloss.tasks.answers:Answers",
    "extractive-qa": "isoloss.tasks.extractive:Extractive",
    "translation": "isoloss.tasks.translation:Translation",
    "summarisation": "isoloss.tasks.summarisation:Summarisation",
}


def task_class(name: str) -> type[Task]:
    """The task of a name; `-` and `_` are the same.

    Raises:
        NotFoundError: there is none; the hint has the closest name.

    >>> task_class("perplexity").name
    'perplexity'
    """
    wanted = name.strip().lower().replace("_", "-")
    if wanted not in TASKS:
        close = difflib.get_close_matches(wanted, TASKS, n=1)
        meant = f"Did you mean {close[0]}? " if close else ""
        raise NotFoundError(
            f"there is no task named {name!r}", hint=f"{meant}Known: {', '.join(TASKS)}."
        )
    module, _, attribute = TASKS[wanted].partition(":")
    return getattr(importlib.import_module(module), attribute)
