"""What tests of several rooms share: parts that a machine may lack, and blocked imports."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from isoloss.corpus import Corpus

# Machines are shared: how long an example takes says nothing about the code.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

REPOSITORY = Path(__file__).resolve().parent.parent
# Files whose few tests take minutes: begun first, so that no worker waits for them at the end.
LONG = ("test_readme.py", "test_end_to_end.py", "test_task_study.py", "test_bad_studies.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long files."""
    items.sort(key=lambda item: item.path.name not in LONG)


def absent(part: str, reason: str) -> NoReturn:
    """Skip, or fail where `ISOLOSS_REQUIRE` (comma-separated) names the part."""
    if part in os.environ.get("ISOLOSS_REQUIRE", "").split(","):
        pytest.fail(f"ISOLOSS_REQUIRE names {part!r}, but {reason}")
    pytest.skip(f"{reason}; `make setup` as root installs it")


@pytest.fixture(scope="session")
def chromium() -> str:
    """Path of a Chromium executable."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        path = shutil.which(name)
        if path is not None:
            return path
    absent("chromium", "there is no Chromium on this machine")


@pytest.fixture(scope="session")
def cjk_font() -> str:
    """Path of a font with Chinese characters."""
    for folder in (Path("/usr/share/fonts"), Path("/usr/local/share/fonts")):
        for path in sorted(folder.rglob("*CJK*")):
            return str(path)
    absent("fonts", "there is no font with Chinese characters on this machine")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Callable[[str], str]]:
    """A PostgreSQL server of this session's own; makes an empty schema and gives its URL."""
    pytest.importorskip("psycopg", reason="the extra [postgres] is not installed")
    binaries = _postgresql_binaries()
    if binaries is None:
        absent("postgres", "there is no PostgreSQL server on this machine")
    # Not pytest's folder: the server runs as another user, and a socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="isoloss-pg-", dir="/tmp"))
    who = _other_user(folder)

    def call(name: str, *words: str) -> None:
        done = subprocess.run(
            [str(binaries / name), *words],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            timeout=120, check=False, cwd=folder, **who,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr

    data = str(folder / "data")
    call("initdb", "-D", data, "-U", "isoloss", "-A", "trust", "-E", "UTF8", "--no-sync")
    options = f"-k {folder} -c listen_addresses= -c fsync=off"
    call("pg_ctl", "-D", data, "-o", options, "-l", str(folder / "log"), "-w", "start")

    def schema(name: str) -> str:
        import psycopg

        with psycopg.connect(
            host=str(folder), user="isoloss", dbname="postgres", autocommit=True
        ) as connection:
            connection.execute(f'CREATE SCHEMA "{name}"'.encode())
        return f"postgresql://isoloss@/postgres?host={folder}&options=-csearch_path%3D{name}"

    try:
        yield schema
    finally:
        call("pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")
        shutil.rmtree(folder)


def _postgresql_binaries() -> Path | None:
    """The folder of initdb and pg_ctl: on the path, or where Debian puts them."""
    found = shutil.which("initdb")
    if found is not None:
        return Path(found).parent
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return places[-1].parent if places else None


def _other_user(folder: Path) -> dict[str, Any]:
    """Who runs the server: PostgreSQL refuses to be root."""
    if os.getuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    user = "postgres" if "postgres" in names else "nobody"
    shutil.chown(folder, user)
    return {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []}


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real texts and run tables beside the checkout."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real texts and run tables at {folder}")
    return folder


@pytest.fixture
def python(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run Python code in a fresh interpreter; `blocked` modules cannot be imported there."""

    def run(
        code: str, *, blocked: tuple[str, ...] = (), timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        barrier = f"import sys\nfor _n in {blocked!r}: sys.modules[_n] = None\n"
        return subprocess.run(
            [sys.executable, "-W", "error", "-c", barrier + code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def tiny_text() -> str:
    """About 110 kB of sentences of made-up words, some much more frequent than others."""
    import random

    rng = random.Random(0)
    syllables = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    words = ["".join(rng.choices(syllables, k=rng.randint(1, 3))) for _ in range(400)]
    weights = [1 / rank for rank in range(1, len(words) + 1)]
    sentences = (
        " ".join(rng.choices(words, weights, k=rng.randint(4, 12))).capitalize() + ".\n"
        for _ in range(2_600)
    )
    return "".join(sentences)


@pytest.fixture(scope="session")
def tiny_corpus(tiny_text: str, tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """`tiny_text` prepared with a vocabulary of 300."""
    from isoloss.corpus import prepare_corpus

    folder = tmp_path_factory.mktemp("tiny")
    (folder / "text.txt").write_text(tiny_text, "utf-8")
    return prepare_corpus([folder / "text.txt"], folder / "corpus", vocab_size=300)
