# Run inside the jail before it is relied on; a call of `main` is put after it.
# Not `assert`: the last line of the message is what the user is told.
import ctypes
import os
import socket
import time


def refuse(held: bool, promise: str) -> None:
    if not held:
        raise SystemError(promise)


def writable(path: str) -> bool:
    try:
        with open(path, "w"):
            return True
    except OSError:
        return False


def seen(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def makes_user_namespace() -> bool:
    return ctypes.CDLL(None).unshare(0x10000000) == 0  # CLONE_NEWUSER


def mounts() -> bool:
    return ctypes.CDLL(None).mount(None, b"/", None, 0x1020, None) == 0  # MS_REMOUNT | MS_BIND


def makes_lasting_memory() -> bool:
    segment = ctypes.CDLL(None).shmget(0, 4096, 0o1600)
    return segment != -1 or ctypes.CDLL(None).memfd_create(b"x", 0) != -1


def forks(most: int) -> int:
    """Children that can be had; they end with the namespace."""
    for made in range(most):
        try:
            child = os.fork()
        except OSError:
            return made
        if child == 0:
            time.sleep(60)
            os._exit(0)
    return most


def main(host_file: str, host_process: int, processes: int) -> None:
    refuse(not os.path.exists(host_file), "files of the host are seen")
    refuse(not any(map(writable, ("/x", "/usr/x", "/dev/x", "/old/x"))), "the root is writable")
    refuse(writable("/tmp/x"), "the private folder is not writable")
    refuse(os.listdir("/tmp") == ["x"], "the private folder was not empty")
    # Low numbers are taken inside as well.
    refuse(host_process < 500 or not seen(host_process), "processes of the host are seen")
    refuse({name for _, name in socket.if_nameindex()} <= {"lo"}, "there is a network")
    refuse(not os.environ, "there is an environment")
    refuse(not mounts(), "the root can be made writable")
    refuse(not makes_user_namespace(), "user namespaces can be made inside")
    refuse(not makes_lasting_memory(), "memory can be made that nobody is seen to hold")
    refuse(forks(processes + 4) < processes + 4, "the limit on processes does not hold")
