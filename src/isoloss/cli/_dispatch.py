"""From the words of a command line to an answer or an error, and its exit code."""

from __future__ import annotations

import contextlib
import difflib
import importlib
import io
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType, ModuleType
from typing import Any, TextIO

from isoloss.cli._answer import Answer, json_document, reserved_stdout, write
from isoloss.cli._catalogue import command_names, help_text
from isoloss.errors import UsageError

INTERRUPTED = 130


def run(argv: Sequence[str] | None = None) -> int:
    """Run the command that `argv` names; print its answer or error; return the exit code."""
    words = list(sys.argv[1:] if argv is None else argv)
    as_json = "--json" in (words[: words.index("--")] if "--" in words else words)
    _forgive_terminal_encoding()
    with reserved_stdout(as_json) as stream, _short_warnings():
        try:
            answer = _answer(words)
        except (Exception, KeyboardInterrupt) as error:
            return _print_error(error, words, as_json, stream)
        if answer.failure is None or not as_json:
            write(stream, json_document(answer.document) if as_json else answer.text)
        if answer.failure is None:
            return answer.exit_code
        return _print_error(answer.failure, words, as_json, stream, answer.document)


def _answer(words: list[str]) -> Answer:
    """Find the command, parse its words and call it."""
    from isoloss import __version__

    first = next((word for word in words if word != "--json"), None)
    if first is None and "--json" in words:
        raise UsageError("no command given", hint=f"Commands: {', '.join(command_names())}.")
    if first in (None, "--help", "-h", "help"):
        return Answer(text=help_text(), document={"help": help_text()})
    if first in ("--version", "-V"):
        return Answer(text=f"isoloss {__version__}", document={"version": __version__})
    assert first is not None
    if first not in command_names():
        raise UsageError(f"no such {_kind(first)}: {first!r}", hint=_suggestion(first))
    rest = words.copy()
    rest.remove(first)
    return _call(importlib.import_module(f"isoloss.cli.{first}"), first, rest)


def _call(module: ModuleType, name: str, words: list[str]) -> Answer:
    """Parse `words` with the module's Typer app and run the function that they choose."""
    import typer
    import typer.main

    command = typer.main.get_command(module.app)
    while words[:1] == ["--json"]:  # known already; a group of commands does not take it itself
        words = words[1:]
    asks_help = not {"--help", "-h"}.isdisjoint(words)
    shown = io.StringIO()
    try:
        with contextlib.redirect_stdout(shown) if asks_help else contextlib.nullcontext():
            result: Any = command.main(words, prog_name=f"isoloss {name}", standalone_mode=False)
    except typer.Abort as error:
        raise KeyboardInterrupt from error
    if result == INTERRUPTED:  # newer Typer turns Ctrl-C into this
        raise KeyboardInterrupt
    if isinstance(result, Answer):
        return result
    if asks_help:
        return Answer(text=shown.getvalue(), document={"help": shown.getvalue()})
    return Answer(exit_code=result if isinstance(result, int) else 0)


def _kind(word: str) -> str:
    return "option before a command" if word.startswith("-") else "command"


def _suggestion(word: str) -> str:
    close = difflib.get_close_matches(word, command_names(), n=2, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(f'`isoloss {name}`' for name in close)}?"
    return f"Commands: {', '.join(command_names())}. `isoloss --help` says what they do."


def _print_error(
    error: BaseException,
    words: list[str],
    as_json: bool,
    stream: TextIO,
    document: Mapping[str, Any] = MappingProxyType({}),
) -> int:
    from isoloss.cli._mistakes import explain

    problem = explain(error, words)
    if problem.exit_code == 1 and os.environ.get("ISOLOSS_DEBUG"):
        import traceback

        traceback.print_exception(error, file=sys.stderr)
    if as_json:
        body = {"code": problem.code, "message": problem.message, "hint": problem.hint}
        write(stream, json_document({**document, "error": body}))
    else:
        label = "isoloss" if problem.exit_code == 130 else "isoloss: error"
        hint = f"\n  {problem.hint}" if problem.hint else ""
        write(sys.stderr, f"{label}: {problem.message}{hint}")
    return problem.exit_code


def _forgive_terminal_encoding() -> None:
    """A terminal that cannot show a character gets `?` for it instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            with contextlib.suppress(ValueError, OSError):
                reconfigure(errors="replace")


@contextlib.contextmanager
def _short_warnings() -> Any:
    """Warnings as one line for people, without the place in the code that raised them."""
    before = warnings.formatwarning

    def one_line(message: Any, category: Any, *_: Any, **__: Any) -> str:
        return f"isoloss: warning: {message}\n"

    warnings.formatwarning = one_line
    try:
        yield
    finally:
        warnings.formatwarning = before
