"""A made-up entry of the catalogue, and a server on this machine that has its files."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from isoloss.runs.catalogue import entries, fetching
from isoloss.runs.catalogue.entries import PublishedTable, table_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CSV = b"size,tokens,loss,kind\n1e6,2e7,3.5,good\n2e6,4e7,3.2,good\n4e6,8e7,9.9,odd\n"
ENTRY = f"""
title = "Made up"
paper = "none"
licence = "CC0"
repository = "someone/some runs"
commit = "{COMMIT}"
verified = true
counts = "N: all"
source = {{ reader = "one_csv", rows = 3 }}
copy = {{ reader = "one_csv", rows = 3 }}
columns = {{ size = "params_total" }}
constants = {{ loss_unit = "nats_per_token" }}
[[left_out]]
column = "kind"
is = ["odd"]
reason = "odd"
"""


@dataclass
class Site:
    """What the server has, and what it was asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    cut: int | None = None
    """Bytes after which an answer breaks off."""


@dataclass(frozen=True)
class Making:
    """How the entry `made_up` is made, and what of."""

    commit: str = COMMIT
    csv: bytes = CSV
    text: str = ENTRY

    def table(self, *files: tuple[str, str, bytes], text: str = ENTRY) -> PublishedTable:
        """The entry with some files: form, path, content."""
        lines = [
            {
                "table": "made_up",
                "form": form,
                "path": path,
                "bytes": str(len(data)),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
            for form, path, data in files
        ]
        return table_of("made_up", text, lines)


@pytest.fixture
def making() -> Making:
    """How the entry `made_up` is made."""
    return Making()


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A server that stands for the public repository."""
    content = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content.asked.append(self.path)
            data = content.files.get(self.path)
            if data is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data if content.cut is None else data[: content.cut])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setattr(fetching, "HOST", f"http://127.0.0.1:{server.server_port}")
    yield content
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and no local copies; the cache of whoever runs the tests is left alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ISOLOSS_PUBLISHED_DIR", raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Callable[[PublishedTable], None]:
    """Put one entry in the place of the catalogue."""

    def put(table: PublishedTable) -> None:
        monkeypatch.setattr(entries, "published_tables", lambda: (table,))

    return put
