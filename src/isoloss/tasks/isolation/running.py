"""A program → how it ended, run in isolation that is checked before it is relied on."""

from __future__ import annotations

import functools
import os
import secrets
import signal
import tempfile
from pathlib import Path

from isoloss.errors import EnvironmentProblem
from isoloss.tasks.isolation._launch import MEMORY, TIMEOUT, Launched, launch
from isoloss.tasks.isolation.levels import PATH, Level, interpreter, levels_here
from isoloss.tasks.isolation.limits import Limits
from isoloss.tasks.isolation.outcome import PASSED, Outcome

_INSIDE = Path(__file__).with_name("_inside.py")
_CHECKS = Path(__file__).with_name("_checks.py")
EARLY = "exited before its end"
_SPENDS = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        kept = b"x" * (48 * 2**20)
        time.sleep(60)
time.sleep(60)
"""
"""Three of its processes hold less than the limit, each for itself, and more together."""
_SPENDS_MEMORY = 128 * 2**20


def run_isolated(code: str, *, limits: Limits | None = None) -> Outcome:
    """Run a Python program in the strongest isolation of this machine (`isolation_level`).

    It sees the standard library of this interpreter and an empty folder that is thrown away, and
    has no network, no environment, and no other process. Whatever it started ends with it.

    Args:
        code: the program, run as `__main__`; it has passed when it reaches its end.
        limits: what it may use; the defaults of `Limits` when None.

    Raises:
        EnvironmentProblem: this machine cannot isolate it. Nothing was run.
    """
    return _run(_level(), code, limits or Limits())


def isolation_level() -> str:
    """The name of the strongest isolation that works here, tried once in a process.

    Raises:
        EnvironmentProblem: there is none; the message says what failed.
    """
    return _level().name


def _level() -> Level:
    level, failures = _probed()
    if level is None:
        raise EnvironmentProblem(
            f"programs cannot be isolated on this machine: {'; '.join(failures)}",
            hint="Install bubblewrap, allow user namespaces, or run as root of a machine (of a"
            " container with the capability SYS_ADMIN).",
        )
    return level


@functools.cache
def _probed() -> tuple[Level | None, tuple[str, ...]]:
    """The first level that keeps what it promises, and why those before it do not."""
    failures: list[str] = []
    for level in levels_here():
        missing = level.missing()
        if missing:
            failures.append(f"{level.name}: no {', '.join(missing)}")
            continue
        reason = _failure(level)
        if not reason:
            return level, tuple(failures)
        failures.append(f"{level.name}: {reason}")
    return None, tuple(failures)


def _failure(level: Level) -> str:
    """What `_checks.py` finds wrong inside, or that memory is not seen; empty where all is well."""
    limits = Limits()
    try:
        with tempfile.NamedTemporaryFile() as host_file:
            call = f"main({host_file.name!r}, {os.getpid()}, {limits.processes})"
            outcome = _run(level, f"{_CHECKS.read_text('utf-8')}\n{call}\n", limits)
        if outcome.passed:
            spent = _run(level, _SPENDS, Limits(memory_bytes=_SPENDS_MEMORY))
            return "" if spent.status == MEMORY else "the memory of its processes is not seen"
    except EnvironmentProblem as error:
        return error.message
    lines = outcome.stderr.strip().splitlines()
    return lines[-1] if lines else outcome.kind


def _run(level: Level, code: str, limits: Limits) -> Outcome:
    token = secrets.token_hex(16)
    python, _ = interpreter()
    # Not -I: it would ignore PYTHONHASHSEED, without which the order of a set is drawn anew.
    runner = f"{_INSIDE.read_text('utf-8')}\nmain()\n"
    inner = [str(python), "-P", "-s", "-S", "-B", "-c", runner]
    with tempfile.TemporaryDirectory(prefix="isoloss-jail-") as folder:
        try:
            launched = launch(
                lambda report: level.command(Path(folder), limits, [*inner, str(report)]),
                f"{token}\n{code}".encode("utf-8", "surrogatepass"),
                path=PATH,
                seconds=limits.seconds,
                output_bytes=limits.output_bytes,
                memory_bytes=limits.memory_bytes,
            )
        except OSError as error:
            raise EnvironmentProblem(f"a program cannot be started: {error}") from error
    status, kind = _ended(launched, token, level)
    return Outcome(
        status=status,
        kind=kind,
        exit_code=launched.exit_code,
        stdout=launched.stdout.decode("utf-8", "replace"),
        stderr=launched.stderr.decode("utf-8", "replace"),
        seconds=launched.seconds,
        level=level.name,
    )


def _ended(launched: Launched, token: str, level: Level) -> tuple[str, str]:
    """Status and kind.

    Raises:
        EnvironmentProblem: the program was not reached.
    """
    lines = launched.report.decode("utf-8", "replace").splitlines()
    if launched.stopped and not lines:
        raise EnvironmentProblem(
            f"{level.name} had not begun the program after {launched.seconds:.1f} s",
            hint="Give more `seconds`, or fewer `workers`.",
        )
    if launched.stopped:
        return launched.stopped, launched.stopped
    if not lines:
        said = launched.stderr.decode("utf-8", "replace").strip().splitlines()
        raise EnvironmentProblem(
            said[0] if said else f"{level.name} ended with {launched.exit_code}"
        )
    word, _, rest = lines[-1].partition(" ")
    if word == PASSED and secrets.compare_digest(rest.encode(), token.encode()):
        return PASSED, PASSED
    if word == "failed":
        kind = rest if rest.isidentifier() and len(rest) < 80 else "exception"
        return (MEMORY if kind == "MemoryError" else "failed"), kind
    number = launched.exit_code - 128
    if number == signal.SIGXCPU:
        return TIMEOUT, "SIGXCPU"
    if number in {known.value for known in signal.Signals}:
        return "killed", signal.Signals(number).name
    return "failed", EARLY
