"""Texts of another system from a file, one for each example of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError

_NAMES = ("output", "text", "prediction")


def read_texts(path: str | Path) -> list[str]:
    """The texts of a file: a line each, or JSON lines (`.jsonl`) where texts may have line ends.

    A line of JSON is a text, or an object that has it as `output`, `text` or `prediction`.

    Raises:
        NotFoundError: no such file.
        DataError: it is not UTF-8, or a line is not as said.
        EnvironmentProblem: it cannot be read.
    """
    path = Path(path)
    try:
        # Not splitlines: a text may hold U+2028 and other characters that it takes for line ends.
        lines = path.read_text("utf-8-sig").removesuffix("\n").split("\n")
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file", hint="Check the path.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 text", hint="Save the file as UTF-8.") from error
    except OSError as error:
        raise EnvironmentProblem(f"{path}: cannot be read: {error.strerror}") from error
    if path.suffix.lower() != ".jsonl":
        return lines
    return [_text(line, f"{path}, line {n}") for n, line in enumerate(lines, 1) if line.strip()]


def _text(line: str, place: str) -> str:
    try:
        value: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{place}: not JSON: {error}") from error
    found = value
    if isinstance(value, dict):
        found = next((value[name] for name in _NAMES if name in value), None)
    if not isinstance(found, str):
        raise DataError(
            f"{place}: expected a text, found {value!r:.80}",
            hint=f"Write a JSON string, or an object with the text as {', '.join(_NAMES)}.",
        )
    return found
