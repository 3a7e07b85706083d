"""Fetching: once, checked, whole or not at all; what is said where it fails."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from isoloss.errors import DataError, EnvironmentProblem
from isoloss.runs.catalogue import PublishedTable, fetching, published
from isoloss.runs.catalogue.fetching import at_hand, cache_folder, cached_path, url_of

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CSV = b"size,tokens,loss,kind\n1e6,2e7,3.5,good\n2e6,4e7,3.2,good\n4e6,8e7,9.9,odd\n"
"""Of the entry that `making` makes."""


PATH = "data/runs d=1.csv"
URL = f"/someone/some%20runs/{COMMIT}/data/runs%20d%3D1.csv"


@pytest.fixture
def table(making, catalogue) -> PublishedTable:
    """The only entry of the catalogue, with one file."""
    entry = making.table(("source", PATH, CSV))
    catalogue(entry)
    return entry


def test_the_address_is_made_of_repository_commit_and_path(table) -> None:
    assert url_of(table, table.source.files[0]) == f"{fetching.HOST}{URL}"
    assert fetching.HOST.startswith("https://")


def test_a_table_is_fetched_once(table, site, capsys) -> None:
    site.files[URL] = CSV
    assert at_hand(table) == ""
    first = published("made_up")
    assert site.asked == [URL]
    said = capsys.readouterr()
    assert said.out == ""
    assert "Fetching made_up from the repository someone/some runs: 1 file" in said.err
    assert cached_path(table, table.source.files[0]).read_bytes() == CSV
    assert at_hand(table) == "cache"
    again = published("made_up")
    assert site.asked == [URL], "the second time asks nobody"
    assert capsys.readouterr().err == ""
    assert again.hash() == first.hash()
    assert len(first) == 3


def test_another_file_is_refused_with_both_sums(table, site) -> None:
    site.files[URL] = CSV.replace(b"3.5", b"3.6")
    with pytest.raises(DataError, match="not the file of the catalogue") as caught:
        published("made_up")
    assert table.source.files[0].sha256 in caught.value.message
    found = caught.value.message.split("found ")[1].split()[0]
    assert len(found) == 64
    assert found != table.source.files[0].sha256
    assert not cache_folder().exists()


def test_a_longer_file_is_not_read_to_its_end(table, site) -> None:
    site.files[URL] = CSV + b"x" * 10_000_000
    with pytest.raises(DataError, match=rf"\({len(CSV) + 1} bytes\)"):
        published("made_up")


@pytest.mark.parametrize("cut", [0, 10])
def test_a_download_that_breaks_off_leaves_nothing(table, site, cut: int) -> None:
    site.files[URL] = CSV
    site.cut = cut
    with pytest.raises(EnvironmentProblem, match=rf"broke off after {cut} bytes") as caught:
        published("made_up")
    assert "Try again" in caught.value.hint
    assert not cache_folder().exists()
    site.cut = None
    assert len(published("made_up")) == 3


def test_what_was_fetched_before_a_failure_is_kept(making, site, catalogue) -> None:
    more = CSV.replace(b"1e6", b"8e6")
    table = making.table(("source", "a.csv", CSV), ("source", "b.csv", more))
    first, second = (f"/someone/some%20runs/{COMMIT}/{name}.csv" for name in "ab")
    catalogue(table)
    site.files[first] = CSV
    with pytest.raises(EnvironmentProblem, match=r"b\.csv .* answers 404"):
        fetching.source_files(table)
    site.files[second] = more
    assert fetching.source_files(table) == {"a.csv": CSV, "b.csv": more}
    assert site.asked == [first, second, second]


def test_without_network_it_says_where_the_file_lies(table, monkeypatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(fetching, "HOST", f"http://127.0.0.1:{port}")
    with pytest.raises(EnvironmentProblem, match="does not answer") as caught:
        published("made_up")
    assert caught.value.exit_code == 6
    for part in ("ISOLOSS_PUBLISHED_DIR", PATH, "someone/some runs", COMMIT):
        assert part in caught.value.hint


def test_a_server_that_hangs_is_given_up(table, site, monkeypatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(fetching, "HOST", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(fetching, "TIMEOUT", 0.05)
        with pytest.raises(EnvironmentProblem, match="timed out"):
            published("made_up")


def test_a_cache_that_cannot_be_written_costs_a_warning(table, site, home: Path) -> None:
    (home / "cache").write_text("a file where the folder should be")
    site.files[URL] = CSV
    for _ in range(2):
        with pytest.warns(UserWarning, match="not kept and will be fetched again"):
            assert len(published("made_up")) == 3
    assert site.asked == [URL, URL]


def test_a_damaged_cache_is_not_used(table, site) -> None:
    site.files[URL] = CSV
    published("made_up")
    path = cached_path(table, table.source.files[0])
    path.write_bytes(CSV[:-9])
    with pytest.raises(DataError, match="expected SHA-256") as caught:
        published("made_up")
    assert str(path) in caught.value.hint
    path.unlink()
    assert len(published("made_up")) == 3


def test_the_cache_is_the_platforms(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache_folder() == tmp_path / "x" / "isoloss" / "published"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert tmp_path in cache_folder().parents
