"""Ways to isolate a program, as command lines."""

from __future__ import annotations

import math
import os
import secrets
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from isoloss.tasks.isolation._jail import SCRIPT
from isoloss.tasks.isolation.limits import Limits

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES = ("--pid", "--mount", "--net", "--ipc", "--uts")
# Beyond what systemd hands out to users and containers, up to where tools take ids for negative.
_UNUSED_IDS = range(1_900_000_000, 2_100_000_000)
_NOBODY = 65534
_CAPABILITIES = ("--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all")


@dataclass(frozen=True)
class Level:
    """A way to isolate a program.

    Attributes:
        name: as results record it. `watched_memory` says that the memory of all processes
            together is bound by looking at it, which is weaker than a control group.
        needs: programs that must be on the machine.
        command: (folder to mount on, limits, what to run) → a command line.
    """

    name: str
    needs: tuple[str, ...]
    command: Callable[[Path, Limits, list[str]], list[str]]

    def missing(self) -> list[str]:
        """What it needs and the machine lacks."""
        return [name for name in self.needs if shutil.which(name, path=PATH) is None]


def levels_here() -> tuple[Level, ...]:
    """The ways to try for whoever runs this, strongest first.

    Root drops to another user, whom the limit on processes binds: it does not bind root, nor a
    user namespace of root's. Whoever is not root, or root of a namespace only, takes bubblewrap,
    which is also allowed to make user namespaces on systems that forbid them to other programs;
    without it, util-linux makes the same namespaces.
    """
    return (OTHER_USER,) * (os.getuid() == 0) + (BUBBLEWRAP, USER_NAMESPACE)


def interpreter() -> tuple[Path, Path]:
    """This interpreter, without its virtual environment, and the folder that holds it."""
    folder = Path(sys.base_prefix).resolve()
    return folder / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}", folder


def _other_user(folder: Path, limits: Limits, inner: list[str]) -> list[str]:
    user = _unused_id()
    drop = [
        "setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", "--no-new-privs",
        *_CAPABILITIES,
    ]  # fmt: skip
    inside = [*_limited(limits), *drop, *inner]
    return ["unshare", *_NAMESPACES, *_jailed(folder, user, limits, inside)]


def _user_namespace(folder: Path, limits: Limits, inner: list[str]) -> list[str]:
    # Root of the namespace, whom securebits and the empty bounding set leave nothing.
    drop = [
        "setpriv", "--securebits=+noroot,+noroot_locked", "--no-new-privs", *_CAPABILITIES,
    ]  # fmt: skip
    inside = [*_limited(limits, helpers=3), *drop, *inner]
    spaces = ["unshare", "--user", "--map-root-user", *_NAMESPACES]
    return [*spaces, *_jailed(folder, 0, limits, inside)]


def _jailed(folder: Path, owner: int, limits: Limits, inside: list[str]) -> list[str]:
    _, python = interpreter()
    arguments = [str(folder), str(owner), str(limits.folder_bytes), str(python)]
    chroot = [*_clock(limits), "chroot", "/jail", "env", "-i", "PYTHONHASHSEED=0"]
    return ["--fork", "--kill-child", "sh", "-c", SCRIPT, "jail", *arguments, *chroot, *inside]


def _bubblewrap(folder: Path, limits: Limits, inner: list[str]) -> list[str]:
    _, python = interpreter()
    command = [
        "bwrap", "--unshare-all", "--unshare-user", "--disable-userns", "--die-with-parent",
        "--new-session", "--uid", str(_NOBODY), "--gid", str(_NOBODY), "--cap-drop", "ALL",
        "--clearenv", "--setenv", "PYTHONHASHSEED", "0", "--ro-bind", "/usr", "/usr",
    ]  # fmt: skip
    for place in map(Path, ("/bin", "/sbin", "/lib", "/lib32", "/lib64")):
        if place.is_symlink():
            command += ["--symlink", str(place.readlink()), str(place)]
        elif place.is_dir():
            command += ["--ro-bind", str(place), str(place)]
    if not python.is_relative_to("/usr"):
        command += ["--ro-bind", str(python), str(python)]
    cache = "/etc/ld.so.cache"
    command += ["--ro-bind-try", cache, cache]
    for device in ("/dev/null", "/dev/urandom"):
        command += ["--dev-bind", device, device]
    command += ["--size", str(limits.folder_bytes), "--tmpfs", "/tmp", "--remount-ro", "/"]
    return [*command, *_clock(limits), *_limited(limits, helpers=3), *inner]


def _clock(limits: Limits) -> list[str]:
    """A second clock, for when the launcher was killed; its own strikes first."""
    return ["timeout", "--signal=KILL", f"{limits.seconds + 2:.3f}"]


def _limited(limits: Limits, *, helpers: int = 0) -> list[str]:
    """Limits; `helpers` are processes around the program that run as the same user."""
    cpu = math.ceil(limits.cpu_seconds)
    return [
        "prlimit", f"--as={int(limits.memory_bytes)}", f"--nproc={limits.processes + helpers}",
        f"--cpu={cpu}:{cpu + 1}", f"--fsize={int(limits.file_bytes)}",
        f"--nofile={limits.open_files}", "--core=0", "--memlock=0", "--msgqueue=0",
    ]  # fmt: skip


def _unused_id() -> int:
    """A user that nobody is, so that its processes are counted alone; nobody where it must be."""
    chosen = _UNUSED_IDS[secrets.randbelow(len(_UNUSED_IDS))]
    for line in Path("/proc/self/uid_map").read_text("ascii").splitlines():
        first, _, count = map(int, line.split())
        if first <= chosen < first + count:
            return chosen
    return _NOBODY


_UTILITIES = ("unshare", "setpriv", "prlimit", "pivot_root", "mount", "umount", "chroot", "timeout")
OTHER_USER = Level("namespaces+other_user+watched_memory", _UTILITIES, _other_user)
USER_NAMESPACE = Level("namespaces+user_namespace+watched_memory", _UTILITIES, _user_namespace)
BUBBLEWRAP = Level(
    "bubblewrap+user_namespace+watched_memory", ("bwrap", "prlimit", "timeout"), _bubblewrap
)
