"""Only a program that reaches its end has passed."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from isoloss.errors import UsageError
from isoloss.tasks.isolation import Limits, Outcome, isolation_level

Run = Callable[..., Outcome]
WRONG = "\nassert 1 + 1 == 3\n"


def test_a_program_that_ends_has_passed(run: Run):
    outcome = run("print('hello')\nif __name__ == '__main__':\n    print('main')")
    assert (outcome.status, outcome.exit_code, outcome.stdout) == ("passed", 0, "hello\nmain\n")
    assert outcome.level == isolation_level()
    assert outcome.to_dict()["status"] == "passed"
    assert repr(outcome).startswith("<Outcome passed (passed) in 0.")


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("assert False", "AssertionError"),
        ("1 / 0", "ZeroDivisionError"),
        ("def f(:", "SyntaxError"),
        ("x = '\\0' + '\0'", "SyntaxError"),
        ("import numpy", "ModuleNotFoundError"),
        ("class Odd(BaseException): pass\nraise Odd", "Odd"),
    ],
)
def test_exceptions_fail_by_name(run: Run, code: str, kind: str):
    outcome = run(code)
    assert (outcome.status, outcome.kind) == ("failed", kind)
    assert kind in outcome.stderr


def test_names_of_exceptions_are_not_printed_as_they_come(run: Run):
    outcome = run("raise type('\\x1b[2J', (Exception,), {})")
    assert (outcome.status, outcome.kind) == ("failed", "exception")


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(0)",
        "raise SystemExit",
        "import os; os._exit(0)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "print('passed'); raise SystemExit",
        "import os\nfor fd in range(40):\n    try: os.write(fd, b'passed\\npassed ' + b'0' * 32)"
        "\n    except OSError: pass\nos._exit(0)",
        "import atexit, os; atexit.register(os._exit, 0); raise SystemExit",
        "import os; os._exit = os.write = print; raise SystemExit",
        "import os\nif os.fork(): os.wait(); os._exit(0)\nWRONG = 0",
        "import os\nif os.fork() == 0: os._exit(0)\nos.wait(); raise KeyboardInterrupt",
        "import os, sys; os.execv('/usr/bin/env', ['env', 'true'])",
        "import sys, threading; threading.Thread(target=sys.exit).start(); raise SystemExit",
        "import sys; sys.excepthook = sys.__excepthook__ = lambda *_: None; 1 / 0",
        "import os; os.closerange(0, 64); raise SystemExit",
        "import os; os.getpid = lambda: 0; os.fork(); raise SystemExit",
    ],
)
def test_leaving_early_is_no_pass(run: Run, code: str):
    outcome = run(f"{code}\n{WRONG}" if "WRONG" not in code else code.replace("WRONG = 0", WRONG))
    assert outcome.status in ("failed", "killed"), outcome.summary()


def test_a_forked_copy_has_no_say(run: Run):
    outcome = run("import os\nif os.fork():\n    os.wait()\n    assert False\n")
    assert (outcome.status, outcome.kind) == ("failed", "AssertionError")


def test_odd_output_does_no_harm(run: Run):
    outcome = run("import sys; sys.stdout.buffer.write(bytes(range(256))); sys.stdout.write('é')")
    assert outcome.passed
    assert outcome.stdout.endswith("é")


def test_order_of_sets_is_the_same_every_time(run: Run):
    code = "print(list({str(n) for n in range(50)}))"
    assert run(code).stdout == run(code).stdout


@pytest.mark.parametrize("name", ["seconds", "memory_bytes", "processes"])
def test_limits_are_positive(name: str):
    with pytest.raises(UsageError, match=f"the limit {name} must be positive, found 0"):
        Limits(**{name: 0})
