"""Names that no task has, answered without parsing lm-eval's own files.

lm-eval knows its tasks by parsing some 14,000 YAML files, seconds on an idle machine and minutes on
a busy one. Reading them as text takes under a second, and a name that stands in none of them is
the name of no task.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml

from isoloss.errors import DataError, NotFoundError

_NAMED = re.compile(rb"^(?:task|group):[ \t]*[\"']?([\w.\-]+)", re.MULTILINE)
_LARGEST = 2_000_000
_OTHERS = {".py", ".pyc", ".md", ".jsonl"}


def refuse_unreadable(names: Sequence[str], folder: Path) -> None:
    """Refuse a name whose file lm-eval would pass over without a word.

    Args:
        names: that no file of the folder has which lm-eval could read.
        folder: with task files.

    Raises:
        DataError: a file of that name, or that names the task, is no YAML; says in which line.
    """
    for file, text in _files(folder, "*.yaml"):
        found = {file.stem, *_names(text)} & set(names)
        problem = _syntax(text) if found else ""
        if problem:
            raise DataError(
                f"{file}: not YAML, so that {found.pop()!r} cannot be read ({problem})",
                hint="Mend that line.",
            )


def refuse_unknown(
    names: Sequence[str], known: Sequence[str], folder: Path | None, installed: Path
) -> None:
    """Refuse a name that stands nowhere in lm-eval's own files.

    Args:
        names: that the folder lacks.
        known: the names that the folder has.
        folder: with task files.
        installed: lm-eval's own.

    Raises:
        NotFoundError: the hint has close names.
    """
    waiting = {
        name: re.compile(rb"(?<![\w])%s(?![\w])" % re.escape(name.encode())) for name in names
    }
    every = dict.fromkeys(known)
    for _, text in _files(installed):
        every |= dict.fromkeys(_names(text))
        waiting = {name: found for name, found in waiting.items() if not found.search(text)}
        if not waiting:
            return
    raise unknown(next(iter(waiting)), list(every), folder)


def unknown(name: str, known: Sequence[str], folder: Path | None) -> NotFoundError:
    """The error of a name that no task has."""
    close = difflib.get_close_matches(name, known, n=3)
    where = "lm-eval" if folder is None else f"lm-eval or {folder}"
    meant = f"Did you mean {' or '.join(close)}? " if close else ""
    if folder is None:
        also = "Give a folder of task files with --include-path."
    else:
        also = "Files that lm-eval cannot read are passed over."
    return NotFoundError(f"no task named {name!r} in {where}", hint=meant + also)


def _files(folder: Path, pattern: str = "*") -> Iterator[tuple[Path, bytes]]:
    """Files that may say what a task is; those that are included may have any name."""
    for file in sorted(folder.rglob(pattern)):
        if file.suffix not in _OTHERS and file.is_file() and file.stat().st_size < _LARGEST:
            try:
                yield file, file.read_bytes()
            except OSError:
                continue


def _names(text: bytes) -> list[str]:
    return [name.decode("ascii", "replace") for name in _NAMED.findall(text)]


def _syntax(text: bytes) -> str:
    """What is wrong with a YAML file, and in which line; nothing where it can be parsed."""
    try:
        for _ in yaml.parse(text, Loader=yaml.SafeLoader):
            pass
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        return f"{line}{error.problem}"
    except (yaml.YAMLError, RecursionError, UnicodeDecodeError) as error:
        return (str(error).splitlines() or [type(error).__name__])[0]
    return ""
