"""What the tests of several readers share: golden files and ways to damage them."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import strategies as st

GOLDEN = Path(__file__).parent / "golden"

Damages = Callable[[bytes], st.SearchStrategy[bytes]]


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of files that the real libraries wrote (`make_golden.py`)."""
    return GOLDEN


@pytest.fixture(scope="session")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The path of a golden file that is kept compressed, unpacked; never write to it."""
    folder = tmp_path_factory.mktemp("golden")

    def unpack(name: str) -> Path:
        path = folder / Path(name).stem
        if not path.exists():
            path.write_bytes(gzip.decompress((GOLDEN / name).read_bytes()))
        return path

    return unpack


@pytest.fixture(scope="session")
def damages() -> Damages:
    """Damaged copies of a file: cut at any byte, bytes changed, a piece of junk put in or only
    junk."""

    def damaged(whole: bytes) -> st.SearchStrategy[bytes]:
        place = st.integers(0, len(whole))
        cut = place.map(lambda end: whole[:end])
        changes = st.lists(st.tuples(st.integers(0, len(whole) - 1), st.integers(0, 255)))
        flipped = changes.map(lambda pairs: _changed(whole, pairs))
        junk = st.binary(max_size=64)
        inserted = st.tuples(place, place, junk).map(
            lambda cuts: whole[: cuts[0]] + cuts[2] + whole[cuts[1] :]
        )
        return st.one_of(cut, flipped, inserted, junk, junk.map(lambda tail: whole[:24] + tail))

    return damaged


def _changed(whole: bytes, pairs: list[tuple[int, int]]) -> bytes:
    data = bytearray(whole)
    for place, byte in pairs:
        data[place] = byte
    return bytes(data)
