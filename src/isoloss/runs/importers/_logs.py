"""Reading text logs: lines without colours and carriage returns, numbers, curves that rise."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from pathlib import Path

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError
from isoloss.runs.importers.history import RunHistory, Series

HEAD_BYTES = 1 << 20
"""How much of a file is looked at to tell what it is."""

_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
_NUMBER = re.compile(
    r"(?P<digits>[+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?P<scale>[KMBTPE]?)", re.ASCII
)


def read_lines(path: Path) -> list[str]:
    """Lines of a log; bytes that are no UTF-8 are replaced, progress bars become lines.

    Raises:
        NotFoundError: no such file; EnvironmentProblem: it cannot be read.
    """
    try:
        text = path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file", hint="Check the path.") from error
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be read: {error.strerror or error}", hint="Check its permissions."
        ) from error
    return _COLOUR.sub("", text).replace("\r", "\n").split("\n")


_ANY_LOG = frozenset({"train", "training", "log", "logs", "output", "out", "stdout", "nohup"})


def run_name(path: Path) -> str:
    """What a run is called by its log: the file, or its folder where the file is called train."""
    generic = path.stem.lower() in _ANY_LOG
    return (path.resolve().parent.name if generic else path.stem) or path.stem


def head(path: Path) -> str:
    """The beginning of a file, or nothing where it is no readable text."""
    try:
        with path.open("rb") as file:
            data = file.read(HEAD_BYTES)
    except OSError:
        return ""
    return "" if b"\0" in data[:4096] else _COLOUR.sub("", data.decode("utf-8", "replace"))


def number_of(text: str) -> float | None:
    """A number as logs write it, or None.

    >>> number_of("1,176,764,416"), number_of("4.194B"), number_of("nan"), number_of("many")
    (1176764416.0, 4194000000.0, nan, None)
    """
    word = text.strip()
    if word.lower().lstrip("+-") in ("nan", "inf", "infinity"):
        return float(word)
    found = _NUMBER.fullmatch(word)
    if found is None:
        return None
    return float(found["digits"].replace(",", "")) * _SCALES[found["scale"]]


def value_of(text: str) -> object:
    """A setting as programs print it: a truth value, None, a number, a product of whole numbers
    as config files write batch sizes, or text without its quotes.

    >>> value_of("5 * 8"), value_of("'gpt2'"), value_of("False"), value_of("6e-4")
    (40, 'gpt2', False, 0.0006)
    """
    word = text.strip()
    if word in ("True", "False", "None", "true", "false", "null"):
        return {"true": True, "false": False}.get(word.lower())
    if re.fullmatch(r"\d{1,12}(\s*\*\s*\d{1,12}){0,8}", word, re.ASCII):
        return math.prod(int(part) for part in word.split("*"))
    number = number_of(word.replace("_", "")) if word[-1:].isdigit() else None
    if number is not None:
        return number
    if len(word) > 1 and word[0] == word[-1] and word[0] in "'\"":
        return word[1:-1]
    return word


class Curves:
    """Metrics while a log is read: where its steps go back, what it said beyond is dropped.

    That is what resuming from a checkpoint means: the later lines tell the run that was kept.
    """

    def __init__(self) -> None:
        self._points: dict[str, tuple[list[float], list[float]]] = {}
        self.repeated = False

    def add(self, name: str, step: float, value: float) -> None:
        """Add a point."""
        steps, values = self._points.setdefault(name, ([], []))
        if steps and step <= steps[-1]:
            keep = bisect_left(steps, step)
            self.repeated = self.repeated or keep < len(steps) - 1
            del steps[keep:], values[keep:]
        steps.append(step)
        values.append(value)

    def add_text(self, name: str, step: float | str, text: str) -> None:
        """Add a point as a log writes it, unless it is no number."""
        value = number_of(text)
        if value is not None:
            self.add(name, float(step), value)

    def last_step(self) -> float | None:
        """The last step of any metric, or None where there is none."""
        return max((steps[-1] for steps, _ in self._points.values()), default=None)

    def series(self) -> dict[str, Series]:
        """Every metric as its curve."""
        return {
            name: Series(steps=tuple(steps), values=tuple(values))
            for name, (steps, values) in self._points.items()
        }

    def notes(self) -> tuple[str, ...]:
        """What is to be told of the reading."""
        if not self.repeated:
            return ()
        return ("the log goes back to earlier steps: what it said of them later counts",)


def require_points(curves: Curves, path: Path, what: str) -> None:
    """Refuse a log without a single point.

    Raises:
        DataError: there is none.
    """
    if curves.last_step() is None:
        raise DataError(
            f"{path}: expected a log of {what}, found no line with a loss",
            hint="Give the file that the program's output was written to, or another --format.",
        )


def ended(curves: Curves, *, said: bool, planned: float | None, error: str = "") -> tuple[str, str]:
    """Status and reason of a run from how its log ends.

    Args:
        curves: what was read.
        said: whether the program says that it came to its end.
        planned: the steps it was to make, None where that is unknown.
        error: the last line of a traceback, or empty.
    """
    last = curves.last_step() or 0
    if said or (planned is not None and last >= planned):
        return "ok", ""
    if error:
        return "failed", f"the log ends with an error: {error}"
    if planned is not None:
        return "running", f"the log ends at step {last:g} of {planned:g}"
    return "ok", ""


def run_told(
    path: Path,
    curves: Curves,
    config: Mapping[str, object],
    ending: tuple[str, str],
    *,
    notes: Sequence[str] = (),
    name: str = "",
) -> list[RunHistory]:
    """The one run of a log.

    Args:
        path: the log.
        curves, config: what was read of it.
        ending: status and reason, of `ended`.
        notes: beside those of the curves.
        name: of the run; the log's when empty.
    """
    status, reason = ending
    return [
        RunHistory(
            name=name or run_name(path),
            source=str(path),
            config=config,
            metrics=curves.series(),
            status=status,
            reason=reason,
            notes=(*curves.notes(), *notes),
        )
    ]


_ERROR = re.compile(r"^(?:.*?\s)?((?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception|Interrupt)\b.*)$")


def last_error(lines: list[str], window: int = 40) -> str:
    """The error that the last lines of a log end with, or nothing."""
    tail = [line for line in lines[-window:] if line.strip()]
    if not any("Traceback (most recent call last)" in line for line in tail):
        return ""
    found = [match[1] for line in tail if (match := _ERROR.match(line))]
    return found[-1][:200] if found else "a traceback"
