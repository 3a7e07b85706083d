"""Programs that would do harm: what they get, and that the host is as it was."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import isoloss
from isoloss.tasks.isolation import Outcome

Run = Callable[..., Outcome]
REPOSITORY = Path(__file__).resolve().parents[3]


@pytest.fixture
def name() -> str:
    return f"jail-{secrets.token_hex(4)}"


def test_sees_an_empty_folder_and_nothing_of_the_host(run: Run, tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text("hidden", "utf-8")
    secret.chmod(0o644)
    outcome = run(f"""
import os
assert os.listdir("/tmp") == []
places = ({str(tmp_path)!r}, {str(REPOSITORY)!r}, "/home", "/etc/passwd", "/proc/1", "/sys/class")
assert not any(map(os.path.exists, places)), [p for p in places if os.path.exists(p)]
assert os.getuid() != 0 or open("/proc/self/uid_map")  # never root of the host
""")
    assert outcome.passed, outcome.summary()


def test_environment_is_empty(run: Run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SECRET_TOKEN", "do-not-tell")
    outcome = run("""
import ctypes, os, subprocess, sys
print(dict(os.environ))
print(subprocess.run(["/usr/bin/env"], capture_output=True, text=True).stdout)
environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
print(environ and environ[0])
""")
    assert outcome.passed, outcome.summary()
    assert "SECRET" not in outcome.stdout
    assert "do-not-tell" not in outcome.stdout + outcome.stderr


def test_deletes_everything(run: Run, tmp_path: Path):
    precious = tmp_path / "precious"
    precious.write_text("kept", "utf-8")
    tmp_path.chmod(0o777)
    precious.chmod(0o666)
    outcome = run(
        f"""
import os, shutil
assert not os.path.exists({str(precious)!r})  # or else stop here
open("/tmp/own", "w").write("x")
for place in ({str(tmp_path)!r}, "/tmp", "/dev", "/usr/sbin", {str(REPOSITORY)!r}):
    shutil.rmtree(place, ignore_errors=True)
assert not os.path.exists("/tmp/own")
assert os.path.exists("/usr/sbin/chroot")
print("now the root", flush=True)
shutil.rmtree("/", ignore_errors=True)  # goes through all of /usr, in vain
""",
        seconds=2,
    )
    assert outcome.stdout == "now the root\n", outcome.summary()
    assert outcome.status in ("passed", "timeout")
    assert precious.read_text("utf-8") == "kept"
    assert (REPOSITORY / "pyproject.toml").is_file()
    assert Path("/usr/bin/env").exists()


def test_writes_outside_its_folder(run: Run, tmp_path: Path):
    tmp_path.chmod(0o777)
    before = set(os.listdir("/"))
    outcome = run(f"""
import os, sys
for place in ("/x", "/usr/x", "/dev/x", "/old/x", "/jail/x", sys.prefix + "/x",
              {str(tmp_path / "x")!r}, {str(REPOSITORY / "x")!r}):
    try:
        open(place, "w")
    except OSError:
        continue
    raise SystemError(place)
""")
    assert outcome.passed, outcome.summary()
    assert list(tmp_path.iterdir()) == []
    assert set(os.listdir("/")) == before


def test_its_files_are_thrown_away(run: Run):
    assert run("open('/tmp/left', 'w').write('x')").passed
    assert run("import os; assert os.listdir('/tmp') == []").passed


def test_fills_the_disk(run: Run):
    outcome = run(
        """
import os
size, files = 0, 0
try:
    while True:
        with open(f"/tmp/{files}", "wb", buffering=0) as file:
            files += 1
            try:
                while True:
                    size += file.write(bytes(2**16))
            except OSError as error:
                first = error
        if first.errno != 27:  # EFBIG: one file is full
            break
except OSError:
    pass
print(files, size)
""",
        file_bytes=2**20,
        folder_bytes=4 * 2**20,
    )
    assert outcome.passed, outcome.summary()
    files, size = map(int, outcome.stdout.split())
    assert files >= 4
    assert 3 * 2**20 < size <= 4 * 2**20


def test_forks_without_end(run: Run, name: str, named: Callable, gone: Callable):
    began = time.monotonic()
    outcome = run(named(name) + "import os\nwhile True:\n    os.fork()\n", seconds=3)
    assert outcome.status == "failed", outcome.summary()
    assert outcome.kind == "BlockingIOError"
    assert time.monotonic() - began < 8
    assert gone(name)


def test_forks_that_wait_for_more_room(run: Run, name: str, named: Callable, gone: Callable):
    code = """
import os, time
while True:
    try:
        os.fork()
    except OSError:
        time.sleep(0.01)
"""
    outcome = run(named(name) + code, seconds=1.5)
    assert outcome.status == "timeout"
    assert gone(name)


@pytest.mark.parametrize("call", ["bytearray(2**22)", "' ' * 2**22", "[0] * 2**19"])
def test_allocates_without_end(run: Run, call: str):
    outcome = run(f"kept = []\nwhile True:\n    kept.append({call})", memory_bytes=128 * 2**20)
    assert (outcome.status, outcome.kind) == ("memory", "MemoryError"), outcome.summary()


def test_gets_no_more_memory_than_allowed(run: Run):
    outcome = run(
        """
kept = []
try:
    while True:
        kept.append(bytearray(2**20))
except MemoryError:
    print(len(kept))
""",
        memory_bytes=128 * 2**20,
    )
    assert outcome.passed, outcome.summary()
    assert 20 < int(outcome.stdout) <= 128


def test_processes_together_get_what_one_may(run: Run, name: str, named: Callable, gone: Callable):
    """Each of them stays below the limit, and all of them do not."""
    code = """
import os, time
for _ in range(3):
    if os.fork() == 0:
        kept = b"x" * (48 * 2**20)
        time.sleep(60)
time.sleep(60)
"""
    outcome = run(named(name) + code, memory_bytes=128 * 2**20, seconds=20)
    assert (outcome.status, outcome.kind) == ("memory", "memory"), outcome.summary()
    assert outcome.seconds < 15
    assert gone(name)


def test_processes_without_output_are_watched_too(
    run: Run, name: str, named: Callable, gone: Callable
):
    code = """
import os, time
os.closerange(0, 64)
for _ in range(3):
    if os.fork() == 0:
        kept = b"x" * (48 * 2**20)
        time.sleep(60)
time.sleep(60)
"""
    outcome = run(named(name) + code, memory_bytes=128 * 2**20, seconds=20)
    assert outcome.status in ("memory", "failed"), outcome.summary()
    assert outcome.seconds < 15
    assert gone(name)


def test_memory_that_processes_share_counts_once(run: Run):
    outcome = run(
        """
import os, time
kept = b"x" * (60 * 2**20)
for _ in range(3):
    if os.fork() == 0:
        time.sleep(0.5)
        os._exit(0)
for _ in range(3):
    os.wait()
""",
        memory_bytes=128 * 2**20,
        seconds=20,
    )
    assert outcome.passed, outcome.summary()


def test_memory_that_no_process_is_seen_to_hold_cannot_be_made(run: Run):
    outcome = run("""
import ctypes, errno, os
libc = ctypes.CDLL(None, use_errno=True)
calls = {
    "memfd_create": (b"x", 0),
    "shmget": (0, 2**20, 0o1600),
    "semget": (0, 1, 0o1600),
    "msgget": (0, 0o1600),
}
for name, arguments in calls.items():
    assert getattr(libc, name)(*arguments) == -1, name
    assert ctypes.get_errno() == errno.EPERM, name
assert os.system("exec true") == 0
""")
    assert outcome.passed, outcome.summary()


@pytest.mark.parametrize("code", ["while True: pass", "import time; time.sleep(60)"])
def test_takes_too_long(run: Run, code: str, name: str, named: Callable, gone: Callable):
    outcome = run(named(name) + code, seconds=1)
    assert outcome.status == "timeout"
    assert 1 <= outcome.seconds < 4
    assert gone(name)


def test_processor_time_ends_before_the_clock(run: Run):
    outcome = run("while True: pass", seconds=30, cpu_seconds=1)
    assert (outcome.status, outcome.kind) == ("timeout", "SIGXCPU")
    assert outcome.seconds < 20


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_prints_without_end(run: Run, stream: str):
    outcome = run(f"import sys\nwhile True: print('x' * 1000, file=sys.{stream})", seconds=20)
    assert outcome.status == "output"
    assert len(outcome.stdout) + len(outcome.stderr) <= 2 * 4096
    assert outcome.seconds < 10


def test_connects_to_the_host(run: Run):
    loopback = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX)
    address = f"\0isoloss-{secrets.token_hex(4)}"
    local.bind(address)
    local.listen()
    with loopback, local:
        port = loopback.getsockname()[1]
        outcome = run(f"""
import socket
for kind, address in ((socket.AF_INET, ("127.0.0.1", {port})), (socket.AF_UNIX, {address!r}),
                      (socket.AF_INET, ("192.0.2.1", 80))):
    with socket.socket(kind) as one:
        one.settimeout(1)
        try:
            one.connect(address)
        except OSError:
            continue
        raise SystemError(address)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
    try:
        one.sendto(b"x", ("192.0.2.1", 53))
    except OSError:
        pass
    else:
        raise SystemError("a datagram left")
""")
        assert outcome.passed, outcome.summary()
        for server in (loopback, local):
            server.settimeout(0.1)
            with pytest.raises(TimeoutError):
                server.accept()


def test_kills_whatever_it_can(run: Run):
    with subprocess.Popen(["sleep", "60"]) as bystander:
        try:
            outcome = run(f"""
import os, signal
for process in (os.getppid(), {os.getpid()}, {bystander.pid}, *range(1, 400), -1):
    if process != os.getpid():
        try:
            os.kill(process, signal.SIGKILL)
        except OSError:
            pass
""")
            assert outcome.status in ("passed", "killed"), outcome.summary()
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_daemon_ends_with_it(run: Run, name: str, named: Callable, seen: Callable, gone: Callable):
    """It leaves its session and parent, and ignores signals; while it runs, the host sees it."""
    code = (
        named(name)
        + """
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.closerange(0, 32)
        os.close(os.open("/tmp/daemon", os.O_CREAT))
        time.sleep(60)
    os._exit(0)
os.wait()
while not os.path.exists("/tmp/daemon"):
    time.sleep(0.01)
time.sleep(1.5)
"""
    )
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(run(code, seconds=20)))
    thread.start()
    was_seen = seen(name)
    thread.join()
    assert was_seen
    assert outcomes[0].passed, outcomes[0].summary()
    assert gone(name)


def test_ends_in_time_where_the_launcher_was_killed(
    run: Run, name: str, named: Callable, seen: Callable, gone: Callable, tmp_path: Path
):
    package = Path(isoloss.__file__).parent / "tasks"
    program = named(name) + "import time; time.sleep(60)"
    launcher = f"""
import sys, types
package = types.ModuleType("isoloss.tasks")  # without PyTorch
package.__path__ = [{str(package)!r}]
sys.modules["isoloss.tasks"] = package
from isoloss.tasks.isolation import Limits, run_isolated
run_isolated({program!r}, limits=Limits(seconds=2))
"""
    with subprocess.Popen(
        [sys.executable, "-c", launcher], env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        assert seen(name)
        process.kill()
    assert gone(name)


def test_user_namespaces_cannot_be_made(run: Run):
    assert run("import ctypes; assert ctypes.CDLL(None).unshare(0x10000000) == -1").passed


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("import ctypes; ctypes.string_at(0)", ("killed", "SIGSEGV")),
        ("import os; os.abort()", ("killed", "SIGABRT")),
        ("def f(): f()\nf()", ("failed", "RecursionError")),
    ],
)
def test_crashes(run: Run, code: str, ending: tuple[str, str]):
    outcome = run(code)
    assert (outcome.status, outcome.kind) == ending, outcome.summary()
