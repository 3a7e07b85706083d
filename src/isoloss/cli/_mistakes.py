"""Every exception as a code, a message, a hint and an exit code: no user sees a traceback."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Sequence
from dataclasses import dataclass

from isoloss.errors import IsolossError

# Which extra brings a module that the core does without.
_EXTRA_OF = {
    "torch": "train",
    "tokenizers": "train",
    "safetensors": "train",
    "datasets": "train",
    "ftfy": "train",
    "rensa": "train",
    "sklearn": "train",
    "transformers": "hf",
    "peft": "hf",
    "lm_eval": "hf",
    "ray": "ray",
    "submitit": "slurm",
    "wandb": "wandb",
    "mlflow": "mlflow",
    "tensorboard": "tensorboard",
    "trackio": "trackio",
    "starlette": "serve",
    "uvicorn": "serve",
    "psycopg": "postgres",
    "emcee": "bayes",
    "arviz": "bayes",
}

_TRAINING = "Training is kept up to its last checkpoint; go on with: {again}"
_GO_ON = {
    "study": "Finished runs are kept; go on with: {again}",
    "train": _TRAINING,
    "finetune": _TRAINING,
    "corpus prepare": "An unfinished corpus is made anew; start again with: {again}",
    "runs import": "All rows were added, or none; start again with: {again}",
}


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is told about an exception."""

    code: str
    message: str
    hint: str
    exit_code: int


def explain(error: BaseException, words: Sequence[str]) -> Problem:
    """Say what `error` means to the person who typed `words` (without `isoloss`)."""
    if isinstance(error, KeyboardInterrupt):
        return _interrupted(words)
    if isinstance(error, IsolossError):
        return Problem(
            code=error.code, message=error.message, hint=error.hint, exit_code=error.exit_code
        )
    usage = _usage(error, words)
    if usage is not None:
        return usage
    return _environment(error) or Problem(
        code="internal",
        message=f"something inside isoloss went wrong: {type(error).__name__}: {error}",
        hint="This is a bug. Set ISOLOSS_DEBUG=1 to see where, and please report it.",
        exit_code=1,
    )


def _interrupted(words: Sequence[str]) -> Problem:
    again = shlex.join(["isoloss", *words])
    plain = [word for word in words if not word.startswith("-")]
    hint = _GO_ON.get(" ".join(plain[:1])) or _GO_ON.get(" ".join(plain[:2]))
    hint = hint or "Nothing was changed; start again with: {again}"
    return Problem(
        code="interrupted", message="interrupted", hint=hint.format(again=again), exit_code=130
    )


def _usage(error: BaseException, words: Sequence[str]) -> Problem | None:
    """A wrong flag or argument, found by the parser (Click's, or the copy inside Typer)."""
    names = {kind.__name__ for kind in type(error).__mro__}
    if "ClickException" not in names:
        return None
    message = str(getattr(error, "format_message")())  # noqa: B009
    found = _value_given(words, getattr(getattr(error, "param", None), "opts", ()))
    if found is not None and repr(found) not in message:
        message += f", found {found!r}"
    context = getattr(error, "ctx", None)
    path = getattr(context, "command_path", None) or "isoloss"
    return Problem(
        code="usage", message=message, hint=f"`{path} --help` shows what it takes.", exit_code=2
    )


def _value_given(words: Sequence[str], options: Sequence[str]) -> str | None:
    """What stands after an option, or after its `=`."""
    for word, following in zip(words, [*words[1:], None], strict=True):
        name, equals, value = word.partition("=")
        if name in options:
            return value if equals else following
    return None


def _environment(error: BaseException) -> Problem | None:
    """A missing extra, no memory, a full disk, a folder that cannot be written."""
    text = str(error)
    if isinstance(error, ModuleNotFoundError):
        module = (error.name or "").split(".")[0]
        if module not in _EXTRA_OF:
            return None
        return Problem(
            code="environment",
            message=f"this needs the package {module!r}, which is not installed",
            hint=f'Install it with: pip install "isoloss[{_EXTRA_OF[module]}]"',
            exit_code=6,
        )
    if isinstance(error, MemoryError) or "out of memory" in text or "can't allocate" in text:
        return Problem(
            code="environment",
            message=f"out of memory: {text}" if text else "out of memory",
            hint="Use a smaller model or batch, or a machine with more memory.",
            exit_code=6,
        )
    if isinstance(error, OSError):
        return _operating_system(error)
    return None


def _operating_system(error: OSError) -> Problem:
    where = f"{error.filename}: " if error.filename else ""
    message = f"{where}{error.strerror or error}"
    if isinstance(error, FileNotFoundError):
        return Problem(
            code="not_found", message=message, hint="Check the path for a typo.", exit_code=5
        )
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    hint = "Free some disk space" if full else "Check that the path is a readable, writable one"
    return Problem(
        code="environment",
        message=message,
        hint=f"{hint}; what was finished before is kept.",
        exit_code=6,
    )
