"""Isolation is checked before it is relied on, and refused where it does not hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from isoloss.errors import EnvironmentProblem
from isoloss.tasks.isolation import Limits, levels, run_isolated, running
from isoloss.tasks.isolation.levels import BUBBLEWRAP, USER_NAMESPACE, Level

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


def test_interpreter_is_the_one_outside_of_an_environment():
    python, folder = levels.interpreter()
    assert python.is_relative_to(folder)
    assert python.exists()
    assert not python.is_relative_to(sys.prefix) or sys.prefix == sys.base_prefix
