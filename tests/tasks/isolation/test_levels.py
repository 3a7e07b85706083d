"""Isolation is checked before it is relied on, and refused where it does not hold."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoloss.errors import EnvironmentProblem
from isoloss.tasks.isolation import Limits, _launch, levels, run_isolated, running
from isoloss.tasks.isolation._memory import family, holds_more
from isoloss.tasks.isolation.levels import BUBBLEWRAP, OTHER_USER, USER_NAMESPACE, Level

OTHER = 12345


@pytest.fixture(autouse=True)
def _probed_anew() -> Iterator[None]:
    running._probed.cache_clear()
    yield
    running._probed.cache_clear()


def use(monkeypatch: pytest.MonkeyPatch, *found: Level) -> None:
    monkeypatch.setattr(running, "levels_here", lambda: found)


def test_refused_where_nothing_is_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    use(monkeypatch, Level("walls", ("no-such-program",), lambda *_: ["no-such-program"]))
    mark = tmp_path / "ran"
    with pytest.raises(EnvironmentProblem, match="walls: no no-such-program") as caught:
        run_isolated(f"open({str(mark)!r}, 'w')")
    assert "bubblewrap" in caught.value.hint
    assert not mark.exists()


def test_refused_where_it_does_not_isolate(monkeypatch: pytest.MonkeyPatch):
    use(monkeypatch, Level("thin_air", (), lambda folder, limits, inner: inner))
    with pytest.raises(EnvironmentProblem, match=r"thin_air: .*files of the host are seen"):
        run_isolated("pass")


def test_refused_where_it_cannot_be_set_up(monkeypatch: pytest.MonkeyPatch):
    broken = Level("broken", (), lambda *_: ["sh", "-c", "echo no room >&2; exit 1"])
    use(monkeypatch, broken)
    with pytest.raises(EnvironmentProblem, match="broken: no room"):
        run_isolated("pass")


def test_a_jail_that_is_never_ready_is_no_failure_of_the_program(monkeypatch: pytest.MonkeyPatch):
    slow = Level("slow", (), lambda *_: ["sleep", "30"])
    monkeypatch.setattr(running, "_level", lambda: slow)
    with pytest.raises(EnvironmentProblem, match="slow had not begun the program") as caught:
        run_isolated("pass", limits=Limits(seconds=0.1))
    assert "seconds" in caught.value.hint


@pytest.mark.skipif(os.getuid() != 0, reason="only root has no limit on processes")
def test_user_namespace_of_root_is_refused(monkeypatch: pytest.MonkeyPatch):
    use(monkeypatch, USER_NAMESPACE)
    with pytest.raises(EnvironmentProblem, match="the limit on processes does not hold"):
        run_isolated("pass")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("level", [USER_NAMESPACE, BUBBLEWRAP], ids=lambda level: level.name)
def test_another_user_without_privileges(monkeypatch: pytest.MonkeyPatch, level: Level):
    if level.missing():
        pytest.skip(f"no {', '.join(level.missing())} on this machine")
    python = Path("/usr/bin/python3")
    if not python.exists():
        pytest.skip("no interpreter that every user can run")
    monkeypatch.setattr(running, "interpreter", lambda: (python, Path("/usr")))
    monkeypatch.setattr(levels, "interpreter", lambda: (python, Path("/usr")))

    def command(folder: Path, limits: Limits, inner: list[str]) -> list[str]:
        os.chown(folder, OTHER, OTHER)
        become = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups"]
        return [*become, *level.command(folder, limits, inner)]

    use(monkeypatch, Level(level.name, level.needs, command))
    try:
        outcome = run_isolated("print(1)")
    except EnvironmentProblem as error:
        if "ermi" in error.message or "ermitted" in error.message:
            pytest.skip(f"this machine allows no user namespaces: {error.message}")
        raise
    assert (outcome.status, outcome.level) == ("passed", level.name)
    assert run_isolated("import os\nwhile True: os.fork()").kind == "BlockingIOError"
    assert run_isolated("import os; os._exit(0)").status == "failed"
    assert run_isolated("while True: pass", limits=Limits(cpu_seconds=1)).status == "timeout"


def test_bubblewrap_comes_first_for_whoever_is_not_root(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "getuid", lambda: OTHER)
    assert levels.levels_here() == (BUBBLEWRAP, USER_NAMESPACE)
    monkeypatch.setattr(os, "getuid", lambda: 0)
    assert levels.levels_here() == (OTHER_USER, BUBBLEWRAP, USER_NAMESPACE)


def test_refused_where_memory_is_not_seen(monkeypatch: pytest.MonkeyPatch):
    if os.getuid() != 0 or OTHER_USER.missing():
        pytest.skip("only root can become another user")
    use(monkeypatch, OTHER_USER)
    monkeypatch.setattr(_launch, "holds_more", lambda process, limit: False)
    monkeypatch.setattr(running, "_SPENDS", running._SPENDS.replace("60)", "1)"))
    with pytest.raises(EnvironmentProblem, match="the memory of its processes is not seen"):
        run_isolated("pass")


def test_memory_of_a_process_and_its_children():
    code = """
import subprocess, sys
kept = b"x" * (30 * 2**20)
child = "kept = b'x' * (40 * 2**20); print(flush=True); input()"
with subprocess.Popen([sys.executable, "-c", child]):
    pass
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # both hold it
        assert len(family(process.pid)) == 2
        assert holds_more(process.pid, 69 * 2**20)
        assert not holds_more(process.pid, 130 * 2**20)
        process.communicate(b"\n")
    assert family(process.pid) == [process.pid]
    assert not holds_more(process.pid, 1)


def test_interpreter_is_the_one_outside_of_an_environment():
    python, folder = levels.interpreter()
    assert python.is_relative_to(folder)
    assert python.exists()
    assert not python.is_relative_to(sys.prefix) or sys.prefix == sys.base_prefix


def test_a_process_that_ends_while_it_is_looked_at(monkeypatch: pytest.MonkeyPatch):
    def gone(*_: object) -> list[str]:
        raise ProcessLookupError(errno.ESRCH, "No such process")

    monkeypatch.setattr(os, "listdir", gone)
    assert family(os.getpid()) == [os.getpid()]
