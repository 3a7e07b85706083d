"""What an event of TensorBoard says: scalars, hyperparameters and texts.

Field numbers are those of event.proto, summary.proto and tensor.proto of TensorFlow and of the
hyperparameter plugin's plugin_data.proto, as in tensorboard 2.21.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field

from isoloss.runs.importers._flat import flat, mapping, parsed
from isoloss.runs.importers._points import Points
from isoloss.runs.importers._protobuf import FIXED32, FIXED64, VARINT, Message

_SCALAR_CLASS = 1
_SESSION_START = 1
_FAILURE = 2
# Of types.proto: the code of `struct` of an element in `tensor_content`, and where a tensor has
# its values otherwise: field number, wire type, code.
_DTYPES = {
    1: ("<f", 5, FIXED32, "<f"),
    2: ("<d", 6, FIXED64, "<d"),
    3: ("<i", 7, VARINT, ""),
    4: ("<B", 7, VARINT, ""),
    5: ("<h", 7, VARINT, ""),
    6: ("<b", 7, VARINT, ""),
    9: ("<q", 10, VARINT, ""),
    10: ("<?", 11, VARINT, ""),
    19: ("<e", 13, VARINT, "half"),
    14: ("bfloat16", 13, VARINT, "bfloat16"),
}
_STRING = 7


@dataclass
class EventLog:
    """What the events of one run said so far."""

    points: Points = field(default_factory=Points)
    config: dict[str, object] = field(default_factory=dict[str, object])
    has_hyperparameters: bool = False
    failed: bool = False
    began: float = math.inf
    skipped: dict[str, str] = field(default_factory=dict[str, str])
    plugins: dict[str, str] = field(default_factory=dict[str, str])

    def matters(self, event: Message) -> bool:
        """Whether `take` would use anything of the event."""
        return event.data(5) is not None or event.data(7) is not None

    def take(self, event: Message) -> None:
        """Add an event (event.proto: wall time 1, step 2, summary 5, session log 7)."""
        step = event.integer(2)
        wall_time = event.double(1)
        if wall_time is not None and wall_time > 0:
            self.began = min(self.began, wall_time)
        session = event.message(7)
        if session is not None and session.integer(1) == _SESSION_START and step > 0:
            self.points.drop_from(step)
        summary = event.message(5)
        if summary is not None:
            for value in summary.messages(1):
                self._take_value(value, step)

    def _take_value(self, value: Message, step: int) -> None:
        """Summary.Value: tag 1, simple value 2, histogram 5, tensor 8, metadata 9."""
        tag = value.text(1)
        metadata = value.message(9)
        plugin = self._plugin(tag, metadata)
        if plugin == "hparams" and metadata is not None:
            self._take_hyperparameters(metadata)
            return
        number = value.single(2)
        tensor = value.message(8)
        if number is None and tensor is not None and plugin == "scalars":
            number = _number_of(tensor)
        if number is not None:
            self.points.add(tag, step, number)
        elif tensor is not None and plugin == "text":
            self._take_text(tag, tensor)
        else:
            self.skipped.setdefault(tag, plugin or "a kind that is no scalar")

    def _plugin(self, tag: str, metadata: Message | None) -> str:
        """The plugin of a tag; writers name it with the first value only."""
        if metadata is None:
            return self.plugins.get(tag, "")
        data = metadata.message(1)
        name = data.text(1) if data is not None else ""
        if metadata.integer(4) == _SCALAR_CLASS and name != "hparams":
            name = "scalars"
        if name:
            self.plugins.setdefault(tag, name)
        return self.plugins.get(tag, "")

    def _take_hyperparameters(self, metadata: Message) -> None:
        """HParamsPluginData: start 3 (hparams 1), end 4 (status 1)."""
        data = metadata.message(1)
        content = data.message(2) if data is not None else None
        if content is None:
            return
        start, end = content.message(3), content.message(4)
        if start is not None:
            self.has_hyperparameters = True
            for entry in start.messages(1):
                value = entry.message(2)
                self.config[entry.text(1)] = _plain(value) if value is not None else None
        if end is not None and end.integer(1) == _FAILURE:
            self.failed = True

    def _take_text(self, tag: str, tensor: Message) -> None:
        """A text that is a JSON object is a configuration: transformers' Trainer logs its
        arguments and the model's configuration so."""
        texts = tensor.texts(8) if tensor.integer(1) == _STRING else []
        found = mapping(parsed(texts[0])) if texts else None
        name = tag.removesuffix("/text_summary")
        if found is not None:
            for key, value in flat(found, name).items():
                self.config.setdefault(key, value)
        else:
            self.skipped.setdefault(name, "text")


def _plain(value: Message) -> object:
    """google.protobuf.Value: number 2, text 3, truth value 4; lists and mappings are left out."""
    number = value.double(2)
    if number is not None:
        return number
    if value.data(3) is not None:
        return value.text(3)
    truth = value.integer(4, -1)
    return None if truth == -1 else bool(truth)


def _number_of(tensor: Message) -> float | None:
    """The one number of a tensor (dtype 1, shape 2, content 4), None where there are more."""
    kind = _DTYPES.get(tensor.integer(1))
    shape = tensor.message(2)
    sizes = [size.integer(1) for size in shape.messages(2)] if shape is not None else []
    if kind is None or any(size != 1 for size in sizes):
        return None
    code, number, wire, packed = kind
    content = tensor.data(4)
    if content:
        return _element(code, bytes(content))
    value = tensor.first_number(number, wire, packed or "<q")
    if value is None or packed not in ("half", "bfloat16"):
        return value
    return _element(code, (int(value) & 0xFFFF).to_bytes(2, "little"))


def _element(code: str, content: bytes) -> float | None:
    if code == "bfloat16":
        code, content = "<f", b"\0\0" + content if len(content) == 2 else b""
    if len(content) != struct.calcsize(code):
        return None
    return float(struct.unpack(code, content)[0])
