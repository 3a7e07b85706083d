"""How a program ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

PASSED = "passed"


@dataclass(frozen=True, kw_only=True, repr=False)
class Outcome:
    """How an isolated program ended.

    Attributes:
        status: `passed` (it reached its end), `failed` (an exception, or it left before its
            end), `timeout` (wall clock or processor), `memory` (a process wanted too much, or all
            of them together held it), `output` (it wrote too much), `killed` (a signal).
        kind: what happened, in a word: the exception's name, the signal's name,
            `exited before its end`, or the status.
        exit_code: of the program; above 128 where a signal ended it.
        stdout, stderr: the ends of what it wrote.
        seconds: of wall clock, setting up included.
        level: how it was isolated.
    """

    status: str
    kind: str
    exit_code: int
    stdout: str
    stderr: str
    seconds: float
    level: str

    def __repr__(self) -> str:
        return f"<Outcome {self.status} ({self.kind}) in {self.seconds:.2f} s, {self.level}>"

    @property
    def passed(self) -> bool:
        """Whether it reached its end."""
        return self.status == PASSED

    def summary(self) -> str:
        """How it ended and the last lines that it wrote, as text."""
        said = [line[:76] for line in self.stderr.strip().splitlines()[-3:]]
        return "\n".join([repr(self)[1:-1], *(f"    {line}" for line in said)])

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return dict(vars(self))
