"""Run inside the jail, as the other user: executes a program and reports how it ended.

Its text, with a call of `main`, is given to an interpreter (`python -c`). The first line of stdin
is a token that only the launcher knows; the rest is the program. Reports go to a pipe of their
own, whose number is the only argument: `started`, then `passed TOKEN` or `failed EXCEPTION`. So a
program that prints, exits or is killed before its end has not passed.
"""

import ctypes
import os
import struct
import sys

# System calls that make memory which no limit binds and no process is seen to hold: anonymous
# files, and what System V leaves behind. By machine: what the kernel calls it (linux/audit.h),
# then the numbers of memfd_create, shmget, semget and msgget.
FORBIDDEN = {
    "x86_64": (0xC000003E, (319, 29, 64, 68)),
    "aarch64": (0xC00000B7, (279, 194, 190, 186)),
    "riscv64": (0xC00000F3, (279, 194, 190, 186)),
}


def forbid() -> None:
    """Let these calls fail, for this process and all that it starts (seccomp(2))."""
    machine, numbers = FORBIDDEN[os.uname().machine]
    load, equal, at_least, leave = 0x20, 0x15, 0x35, 0x06  # linux/bpf_common.h
    refuse, allow = 0x00050000 | 1, 0x7FFF0000  # SECCOMP_RET_ERRNO | EPERM, SECCOMP_RET_ALLOW
    left = len(numbers) + 1
    lines = [(load, 0, 0, 4), (equal, 1, 0, machine), (leave, 0, 0, refuse), (load, 0, 0, 0)]
    lines += [(equal, left - place, 0, number) for place, number in enumerate(numbers)]
    lines += [(at_least, 1, 0, 0x40000000), (leave, 0, 0, allow), (leave, 0, 0, refuse)]  # x32
    text = b"".join(struct.pack("=HBBI", *line) for line in lines)
    kept = ctypes.create_string_buffer(text, len(text))
    program = struct.pack("@HP", len(lines), ctypes.addressof(kept))
    prctl = ctypes.CDLL(None).prctl
    none = ctypes.c_ulong(0)
    if prctl(38, ctypes.c_ulong(1), none, none, none):  # PR_SET_NO_NEW_PRIVS
        raise OSError
    if prctl(22, ctypes.c_ulong(2), program, none, none):  # PR_SET_SECCOMP, SECCOMP_MODE_FILTER
        raise OSError


def main() -> None:
    # The program may replace what the os module holds.
    write, leave, process = os.write, os._exit, os.getpid
    report = int(sys.argv.pop())
    token, _, program = sys.stdin.buffer.read().partition(b"\n")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    os.chdir("/tmp")
    try:
        forbid()
    except (OSError, KeyError):
        write(2, b"system calls cannot be filtered here\n")
        leave(1)
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
