"""The wire format of protocol buffers, as far as logs of runs need it.

Only the format is here (https://protobuf.dev/programming-guides/encoding): which field number
means what stands with each reader. A field of an unexpected wire type counts as absent, as every
decoder must treat fields that it does not know.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED = {FIXED64: 8, FIXED32: 4}


class MalformedMessage(ValueError):
    """The bytes are no protocol buffer message."""


class Message:
    """The fields of one message by their numbers; nested messages are decoded when asked for.

    Raises:
        MalformedMessage: the bytes end within a field, or hold a group or an endless number.

    >>> Message(b"\\x08\\x96\\x01\\x12\\x02hi").integer(1), Message(b"\\x12\\x02hi").text(2)
    (150, 'hi')
    """

    __slots__ = ("_fixed", "_integers", "_parts")

    def __init__(self, data: bytes | memoryview) -> None:
        # This is the inner loop of every reader.
        self._integers: dict[int, list[int]] = {}
        self._parts: dict[int, list[memoryview]] = {}
        # By the number and the wire type in one, as they stand in the message.
        self._fixed: dict[int, list[memoryview]] = {}
        view = memoryview(data)
        position, end = 0, len(view)
        while position < end:
            key, position = _varint(view, position)
            if key < 8:
                raise MalformedMessage("a field has the number 0")
            wire = key & 7
            if wire == VARINT:
                value, position = _varint(view, position)
                self._integers.setdefault(key >> 3, []).append(value)
                continue
            if wire == BYTES:
                length, position = _varint(view, position)
                fields, name = self._parts, key >> 3
            elif wire in _FIXED:
                length, fields, name = _FIXED[wire], self._fixed, key
            else:
                raise MalformedMessage(f"a field has the wire type {wire}")
            if length > end - position:
                raise MalformedMessage("a field is longer than its message")
            fields.setdefault(name, []).append(view[position : position + length])
            position += length

    def integer(self, number: int, default: int = 0) -> int:
        """An int32, int64, bool or enum; of several the last, as in every scalar field."""
        found = self._integers.get(number)
        return _signed(found[-1]) if found else default

    def double(self, number: int) -> float | None:
        """A double."""
        found = self._fixed.get(number << 3 | FIXED64)
        return _unpack("<d", found[-1]) if found else None

    def single(self, number: int) -> float | None:
        """A float of four bytes."""
        found = self._fixed.get(number << 3 | FIXED32)
        return _unpack("<f", found[-1]) if found else None

    def data(self, number: int) -> memoryview | None:
        """Bytes, or a nested message that is not yet decoded."""
        found = self._parts.get(number)
        return found[-1] if found else None

    def text(self, number: int) -> str:
        """Text; what is no UTF-8 is replaced."""
        found = self._parts.get(number)
        return str(found[-1], "utf-8", "replace") if found else ""

    def texts(self, number: int) -> list[str]:
        """All texts of a repeated field."""
        return [str(data, "utf-8", "replace") for data in self._parts.get(number, ())]

    def message(self, number: int) -> Message | None:
        """A nested message."""
        found = self._parts.get(number)
        return Message(found[-1]) if found else None

    def messages(self, number: int) -> Iterator[Message]:
        """All messages of a repeated field."""
        return map(Message, self._parts.get(number, ()))

    def first_number(self, number: int, wire: int, code: str) -> float | None:
        """The first of repeated numbers, packed (`code` as in `struct`) or not."""
        packed = self.data(number)
        if wire == VARINT:
            if packed is not None:
                return float(_signed(_varint(packed, 0)[0])) if packed else None
            integers = self._integers.get(number)
            return float(_signed(integers[0])) if integers else None
        if packed is not None:
            width = struct.calcsize(code)
            return _unpack(code, packed[:width]) if len(packed) >= width else None
        fixed = self._fixed.get(number << 3 | wire)
        return _unpack(code, fixed[0]) if fixed else None


def _unpack(code: str, data: memoryview) -> float:
    return float(struct.unpack(code, data)[0])


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


def _varint(data: memoryview, position: int) -> tuple[int, int]:
    if position < len(data) and data[position] < 128:
        return data[position], position + 1
    value = shift = 0
    for index in range(position, min(position + 10, len(data))):
        byte = data[index]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, index + 1
        shift += 7
    raise MalformedMessage("a number does not end")
