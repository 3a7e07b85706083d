"""What a process and everything that it started hold in memory, as /proc tells it.

A control group would count the same in the kernel, but a process may make one only where the
system gave it a part of the tree (`cgroups(7)`, delegation), which sessions and containers seldom
have. So the launcher looks a few times a second. Between two looks a program can take more, up to
the limit of each of its processes.
"""

from __future__ import annotations

import os
from pathlib import Path

_PROC = Path("/proc")
_HELD = ("RssAnon", "RssShmem", "VmSwap")
_SHARED_OUT = ("Pss_Anon", "Pss_Shmem", "SwapPss")


def holds_more(process: int, limit: int) -> bool:
    """Whether a process and its descendants hold more bytes than allowed.

    A page that several of them share counts once. Files that are mapped do not count: what lies
    in the program's folder has its own limit, and the rest is the host's.
    """
    members = family(process)
    if sum(_kilobytes(one, "status", _HELD) or 0 for one in members) * 1024 <= limit:
        return False
    # Slower, as the kernel walks all pages; only where pages that are shared may be the reason.
    shares = [_kilobytes(one, "smaps_rollup", _SHARED_OUT) for one in members]
    held = [
        (_kilobytes(one, "status", _HELD) or 0) if share is None else share
        for one, share in zip(members, shares, strict=True)
    ]
    return sum(held) * 1024 > limit


def family(process: int) -> list[int]:
    """A process and its descendants; an orphan has become a child of the jail's first process."""
    found = {process: None}
    waiting = [process]
    while waiting:
        for child in _children(waiting.pop()):
            if child not in found:
                found[child] = None
                waiting.append(child)
    return list(found)


def _children(process: int) -> list[int]:
    """Children of all threads of a process; none of what ends while it is looked at.

    Any call on such a folder may then fail with ESRCH, so each is by itself: `Path.glob` lets it
    through.
    """
    threads = _PROC / str(process) / "task"
    found: list[int] = []
    try:
        names = os.listdir(threads)
    except OSError:
        return found
    for name in names:
        try:
            found += map(int, (threads / name / "children").read_text("ascii").split())
        except OSError:
            continue
    return found


def _kilobytes(process: int, file: str, names: tuple[str, ...]) -> int | None:
    """The sum of lines such as `RssAnon:  123 kB`; None where there are none to read."""
    try:
        lines = (_PROC / str(process) / file).read_text("ascii", "replace").splitlines()
    except OSError:
        return None
    found = [int(line.split()[1]) for line in lines if line.partition(":")[0] in names]
    return sum(found) if found else None
