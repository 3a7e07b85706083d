"""Records of W&B's `.wandb` files: the log format of LevelDB under a header of W&B.

After `:W&B`, 0xbee1 and a version come blocks of 32 KiB (the header counts towards the first). A
block holds chunks of a header (CRC-32 over type and data, length, type; 7 bytes) and data; a
record is one full chunk, or a first, middle ones and a last. A rest of a block under 7 bytes is
padding (https://github.com/google/leveldb/blob/main/doc/log_format.md, with the usual CRC-32 of
zlib in the place of LevelDB's).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from isoloss.errors import DataError

IDENT = b":W&B"
HEADER = IDENT + struct.pack("<HB", 0xBEE1, 0)
LARGEST = 64 << 20
"""Bytes of the largest record that is put together: no history comes near."""

_BLOCK = 32 << 10
_CHUNK = struct.Struct("<IHB")
_FULL, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_TYPE_CRC = tuple(zlib.crc32(bytes([kind])) for kind in range(5))


class WandbLog:
    """The records of one file, read block by block.

    Attributes:
        cut: the file ends within a record, as it does while a run writes it.
        damaged: blocks in which something was left out for a wrong checksum, length or order.
        oversized: records that were left out, being larger than `LARGEST`.
    """

    def __init__(self, file: BinaryIO, label: str) -> None:
        """Check the header.

        Raises:
            DataError: it is not that of W&B.
        """
        self._file = file
        self.cut = False
        self.damaged = 0
        self.oversized = 0
        head = file.read(len(HEADER))
        if head != HEADER:
            if head[:4] == IDENT and len(head) == len(HEADER):
                raise DataError(
                    f"{label}: expected version 0 of the format of .wandb files, found {head[6]}",
                    hint="Upload it with `wandb sync`, then read wandb:ENTITY/PROJECT.",
                )
            raise DataError(
                f"{label}: not a .wandb file: it begins with {head!r}",
                hint="Give a run-….wandb file of W&B's offline mode, or the folder that holds it.",
            )

    def __iter__(self) -> Iterator[bytes]:
        """The data of each whole record."""
        parts: list[bytes] | None = None
        size = 0
        for kind, data in self._chunks():
            if kind in (_FULL, _FIRST):
                if parts is not None:
                    self.damaged += 1
                parts, size = [], 0
            if parts is None:
                # The rest of a record whose beginning was damaged.
                continue
            size += len(data)
            if size <= LARGEST:
                parts.append(data)
            if kind in (_FULL, _LAST):
                if size <= LARGEST:
                    yield b"".join(parts)
                else:
                    self.oversized += 1
                parts = None
            elif kind == 0:
                parts = None
        if parts is not None:
            self.cut = True

    def _chunks(self) -> Iterator[tuple[int, bytes]]:
        """Type and data of each sound chunk; type 0 stands for one that is not."""
        block = HEADER + self._file.read(_BLOCK - len(HEADER))
        at = len(HEADER)
        while len(block) > at:
            while at + _CHUNK.size <= len(block):
                checksum, length, kind = map(int, _CHUNK.unpack_from(block, at))
                if checksum == length == kind == 0:
                    break  # zeros to the end of the block, as files written through mmap have
                start, at = at + _CHUNK.size, at + _CHUNK.size + length
                if at > len(block) and len(block) < _BLOCK:
                    self.cut = True
                    return
                data = block[start:at]
                if (
                    at > _BLOCK
                    or not 1 <= kind <= 4
                    or zlib.crc32(data, _TYPE_CRC[kind]) != checksum
                ):
                    # The length cannot be trusted: go on with the next block, as LevelDB does.
                    self.damaged += 1
                    yield 0, b""
                    break
                yield kind, data
            else:
                if len(block) < _BLOCK and at < len(block):
                    self.cut = True
            block, at = self._file.read(_BLOCK), 0
