"""Compressed texts are read as they were, and damage is named."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.corpus import read_documents
from isoloss.corpus.reading import compressed
from isoloss.errors import DataError


def zstd(data: bytes) -> bytes:
    import pyarrow as pa

    return pa.Codec("zstd").compress(data, asbytes=True)


COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}
TEXT = "".join(f"line {i * i % 9973}: 學而時習之\n" for i in range(3_000))


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_text_and_rows(tmp_path: Path, suffix: str) -> None:
    plain, rows = tmp_path / f"a.txt{suffix}", tmp_path / f"b.jsonl{suffix}"
    plain.write_bytes(COMPRESS[suffix]("\ufeff".encode() + TEXT.encode()))
    rows.write_bytes(COMPRESS[suffix](b'{"text": "one"}\n{"text": "two"}'))
    assert [d.text for d in read_documents([tmp_path])] == [TEXT, "one", "two"]


@pytest.mark.parametrize("suffix", COMPRESS)
@pytest.mark.parametrize("keep", [0, 10, -20])
def test_a_file_cut_short_is_named(tmp_path: Path, suffix: str, keep: int) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(COMPRESS[suffix](TEXT.encode())[:keep])
    with pytest.raises(DataError, match=f"damaged or cut short as a {suffix} file") as caught:
        list(read_documents([path]))
    assert str(path) in caught.value.message


@pytest.mark.parametrize("suffix", COMPRESS)
def test_a_file_that_is_not_compressed(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.txt{suffix}"
    path.write_bytes(b"plain text, whatever the name says" * 10)
    with pytest.raises(DataError, match="damaged or cut short"):
        list(read_documents([path]))


@given(
    text=st.text(st.sampled_from("ab\n\r學é\u2028 "), max_size=200),
    chunk=st.integers(1, 7),
)
@settings(max_examples=150, deadline=None)
def test_lines_and_parts_whatever_the_chunks(
    tmp_path_factory: pytest.TempPathFactory, text: str, chunk: int
) -> None:
    path = tmp_path_factory.mktemp("chunks") / "a.txt"
    path.write_bytes(text.encode("utf-8"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compressed, "CHUNK_BYTES", chunk)
        lines = list(compressed.lines(path))
        parts = list(compressed.text_parts(path, part_bytes=8))
    assert "".join(parts) == text
    expected = text.split("\n")
    assert [line for _, line in lines] == (expected if expected[-1] else expected[:-1])
    assert [number for number, _ in lines] == list(range(1, len(lines) + 1))
