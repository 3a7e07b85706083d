"""Run inside the jail, as the other user: executes a program and reports how it ended.

Its text, with a call of `main`, is given to an interpreter (`python -c`). The first line of stdin
is a token that only the launcher knows; the rest is the program. Reports go to a pipe of their
own, whose number is the only argument: `started`, then `passed TOKEN` or `failed EXCEPTION`. So a
program that prints, exits or is killed before its end has not passed.
"""

import os
import sys


def main() -> None:
    # The program may replace what the os module holds.
    write, leave, process = os.write, os._exit, os.getpid
    report = int(sys.argv.pop())
    token, _, program = sys.stdin.buffer.read().partition(b"\n")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.chdir("/tmp")
    main_process = process()
    module = type(sys)("__main__")
    sys.modules["__main__"] = module
    write(report, b"started\n")
    ended = b"passed " + token
    try:
        exec(compile(program, "<program>", "exec"), module.__dict__)  # noqa: S102
    except BaseException as error:
        ended = b"failed " + type(error).__name__.encode("utf-8", "replace")
        if not isinstance(error, SystemExit):
            trace = error.__traceback__
            sys.__excepthook__(type(error), error, trace and trace.tb_next)
    if process() != main_process:  # a forked copy has no say
        leave(1)
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        try:
            write(report, ended + b"\n")
        finally:
            leave(not ended.startswith(b"passed "))
