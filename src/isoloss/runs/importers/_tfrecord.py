"""Records of TensorFlow's TFRecord files, which TensorBoard's event files are.

Each record is its length (uint64), a checksum of the length, the data and a checksum of the data,
all little-endian (https://www.tensorflow.org/tutorials/load_data/tfrecord). The checksum is
CRC-32C, rotated and shifted so that data which hold checksums do not check themselves.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import BinaryIO

LARGEST = 64 << 20
"""Bytes of the largest record that is read: none with scalars comes near."""

_HEADER = struct.Struct("<QI")
_CASTAGNOLI = 0x82F63B78


def _table() -> tuple[int, ...]:
    entries: list[int] = []
    for byte in range(256):
        for _ in range(8):
            byte = (byte >> 1) ^ (_CASTAGNOLI if byte & 1 else 0)
        entries.append(byte)
    return tuple(entries)


_TABLE = _table()


def masked_crc32c(data: bytes) -> int:
    """The checksum as it stands in the file.

    >>> hex(masked_crc32c(b"123456789"))  # CRC-32C of these digits is 0xe3069283
    '0xc78ab0e5'
    """
    crc, table = 0xFFFFFFFF, _TABLE
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    crc ^= 0xFFFFFFFF
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


class RecordFile:
    """The records of one file, read one at a time.

    Attributes:
        cut: the file ends within a record, as it does while a run writes it.
        damaged: where (in bytes) the lengths stop making sense; nothing after is read.
        oversized: records that were passed over, being larger than `LARGEST`.
        read: records that were read.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.cut = False
        self.damaged: int | None = None
        self.oversized = 0
        self.read = 0

    def __iter__(self) -> Iterator[tuple[bytes, int]]:
        """Data and checksum of each record. The reader checks the data that it uses: in Python
        that takes a second for some ten megabytes, and most bytes may be of pictures."""
        size = os.fstat(self._file.fileno()).st_size
        at = 0
        while head := self._file.read(_HEADER.size):
            if len(head) < _HEADER.size:
                self.cut = True
                return
            length, checksum = _HEADER.unpack(head)
            if masked_crc32c(head[:8]) != checksum:
                self.damaged = at
                return
            at += _HEADER.size + length + 4
            if at > size:
                self.cut = True
                return
            if length > LARGEST:
                self.oversized += 1
                self._file.seek(at)
                continue
            data = self._file.read(length)
            tail = self._file.read(4)
            if len(tail) < 4:
                self.cut = True
                return
            self.read += 1
            yield data, int.from_bytes(tail, "little")
