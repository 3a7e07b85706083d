"""What a command gives back, and the only place that writes to stdout."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TextIO

SCHEMA_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A command's result: `document` for `--json`, `text` for people, and the exit code.

    With a `failure` the answer is whole, but something after it failed (it could not be saved):
    both are told, and the exit code is that of the failure.
    """

    document: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    exit_code: int = 0
    failure: Exception | None = None


def plain(value: Any) -> Any:
    """`value` with only JSON types in it: NumPy scalars unwrapped, not-a-number as null."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (str, bool, int)) or value is None:
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def json_document(document: Mapping[str, Any]) -> str:
    """The one JSON document of a command, with its `schema_version` first."""
    whole = {"schema_version": SCHEMA_VERSION} | plain(document)
    # ASCII escapes keep the document whole whatever the terminal's encoding is.
    return json.dumps(whole, indent=2, allow_nan=False)


def write(stream: TextIO, text: str) -> None:
    """Write one text and a line break; a reader that went away (`| head`) is no error."""
    if not text:
        return
    try:
        stream.write(text.rstrip("\n") + "\n")
        stream.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def write_piece(piece: str) -> None:
    """A piece of an answer that comes bit by bit, as generated text does."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.write(piece)
        sys.stdout.flush()


@contextlib.contextmanager
def reserved_stdout(reserve: bool) -> Iterator[TextIO]:
    """Yield the stream for the answer; with `reserve`, all other output goes to stderr.

    Also output of worker processes and of C libraries, which inherit the file descriptor.
    """
    if not reserve:
        yield sys.stdout
        return
    answer_stream = sys.stdout
    saved: int | None = None
    try:
        if answer_stream is sys.__stdout__ and answer_stream.fileno() == 1:
            answer_stream.flush()
            saved = os.dup(1)
            os.dup2(sys.stderr.fileno(), 1)
            answer_stream = os.fdopen(os.dup(saved), "w", encoding="utf-8")
    except (OSError, ValueError, AttributeError):
        saved = None
    with contextlib.redirect_stdout(sys.stderr):
        yield answer_stream
    if saved is not None:
        with contextlib.suppress(OSError):
            os.dup2(saved, 1)
            os.close(saved)
