"""TensorBoard event files: what PyTorch and tensorboard wrote, and what damage does to them."""

from __future__ import annotations

import contextlib
import math
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.errors import DataError, IsolossError, NotFoundError
from isoloss.runs.importers._tfrecord import masked_crc32c
from isoloss.runs.importers.history import RunHistory
from isoloss.runs.importers.tensorboard import looks_like_tensorboard, read_tensorboard

Damages = Callable[[bytes], st.SearchStrategy[bytes]]


def key(number: int, wire: int) -> bytes:
    return bytes([number << 3 | wire])


def part(number: int, data: bytes) -> bytes:
    assert len(data) < 128
    return key(number, 2) + bytes([len(data)]) + data


def event(tag: str, value: float, step: int) -> bytes:
    """An event with one simple value, by the encoding of protocol buffers."""
    summary = part(1, part(1, tag.encode()) + key(2, 5) + struct.pack("<f", value))
    time = key(1, 1) + struct.pack("<d", 1e9)
    return time + (key(2, 0) + bytes([step]) if step else b"") + part(5, summary)


def record(data: bytes) -> bytes:
    length = struct.pack("<Q", len(data))
    checks = (struct.pack("<I", masked_crc32c(piece)) for piece in (length, data))
    return length + next(checks) + data + next(checks)


def written(folder: Path, *events: bytes, name: str = "events.out.tfevents.1.host") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"".join(map(record, events)))
    return folder / name


def only(runs: list[RunHistory]) -> RunHistory:
    assert len(runs) == 1
    return runs[0]


def event_file(folder: Path) -> Path:
    return next(path for path in folder.iterdir() if path.is_file())


def test_a_tree_holds_a_run_a_folder(golden: Path) -> None:
    runs = read_tensorboard(golden / "tensorboard")
    assert [run.name for run in runs] == ["native/beta", "torch/alpha"]
    assert [run.status for run in runs] == ["failed", "ok"]
    assert runs[0].created_at.startswith("2026-")


def test_simple_values_and_tensors_give_the_same_curve(golden: Path) -> None:
    beta, alpha = read_tensorboard(golden / "tensorboard")
    for run, tag in ((alpha, "train/loss"), (beta, "loss")):
        series = run.metrics[tag]
        assert series.steps == tuple(range(0, 100, 10))
        assert math.isnan(series.values[6])
        assert series.values[9] == pytest.approx(2.2, rel=1e-7)
    assert alpha.metrics["new_style"].values[9] == 180
    # tensorboard writes every scalar as a float of four bytes.
    assert beta.metrics["double"].values == (struct.unpack("f", struct.pack("f", 1 / 3))[0],) * 10


def test_hyperparameters_and_json_texts_are_the_configuration(golden: Path) -> None:
    beta, alpha = read_tensorboard(golden / "tensorboard")
    assert beta.config == {"lr": 1e-3, "act": "relu", "tied": False}
    assert alpha.config["args.learning_rate"] == 3e-4
    assert alpha.config["args.model.d"] == 64
    # PyTorch's add_hparams writes them, with its metrics, in a folder named by the time.
    assert (alpha.config["lr"], alpha.config["act"]) == (3e-4, "gelu")
    assert alpha.metrics["final"].values == pytest.approx((2.2,), rel=1e-7)


def test_what_is_no_scalar_is_named(golden: Path) -> None:
    run = read_tensorboard(golden / "tensorboard")[1]
    assert "Not scalars and left out: 2 tags (remark, weights)." in run.notes


def test_one_file_is_one_run(golden: Path) -> None:
    path = event_file(golden / "tensorboard" / "torch" / "alpha")
    run = only(read_tensorboard(path))
    assert run.name == "alpha"
    assert run.source == str(path)
    assert looks_like_tensorboard(path)
    assert looks_like_tensorboard(golden / "tensorboard")
    assert not looks_like_tensorboard(golden / "mlflow")


def test_folders_of_train_and_validation_are_one_run(tmp_path: Path) -> None:
    written(tmp_path / "logs" / "train", event("loss", 3.0, 1), event("loss", 2.0, 2))
    written(tmp_path / "logs" / "validation", event("loss", 2.5, 2))
    run = only(read_tensorboard(tmp_path / "logs"))
    assert run.name == "logs"
    assert run.metrics["train/loss"].values == (3.0, 2.0)
    assert run.metrics["validation/loss"].values == (2.5,)
    assert any("parts of one run" in note for note in run.notes)
    assert only(read_tensorboard(tmp_path / "logs" / "train")).metrics["loss"].steps == (1, 2)


def test_a_run_that_was_resumed_is_one_curve(tmp_path: Path) -> None:
    written(tmp_path, *(event("loss", 9 - step, step) for step in (1, 2, 3)), name="tfevents.1")
    written(tmp_path, event("loss", 6.5, 3), event("loss", 6.0, 4), name="tfevents.2")
    run = only(read_tensorboard(tmp_path))
    assert run.metrics["loss"].steps == (1, 2, 3, 4)
    assert run.metrics["loss"].values == (8, 7, 6.5, 6)
    assert "Logged again at the same step: 1 point; the last counts." in run.notes


def test_a_purge_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    start = key(1, 1) + struct.pack("<d", 1e9) + key(2, 0) + b"\x02" + part(7, key(1, 0) + b"\x01")
    written(
        tmp_path, *(event("loss", 9 - step, step) for step in (1, 2, 3)), start,
        event("loss", 5.0, 4),
    )  # fmt: skip
    assert only(read_tensorboard(tmp_path)).metrics["loss"].steps == (1, 4)


def test_a_file_that_is_still_written_is_a_running_run(tmp_path: Path) -> None:
    path = written(tmp_path, event("loss", 3.0, 1), event("loss", 2.0, 2))
    path.write_bytes(path.read_bytes()[:-3])
    run = only(read_tensorboard(path))
    assert run.metrics["loss"].steps == (1,)
    assert (run.status, run.reason) == ("running", "its event file ends in the middle of a record")


def test_a_record_with_a_wrong_checksum_is_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, *(event("loss", 3.0, step) for step in (1, 2, 3)))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    run = only(read_tensorboard(path))
    assert run.metrics["loss"].steps == (1, 3)
    assert f"{path.name}: left out 1 record with a wrong checksum or content." in run.notes


def test_after_a_damaged_length_nothing_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, event("loss", 3.0, 1), event("loss", 3.0, 2))
    data = bytearray(path.read_bytes())
    at = len(data) // 2
    data[at + 3] = 0x7F
    path.write_bytes(data)
    run = only(read_tensorboard(path))
    assert run.metrics["loss"].steps == (1,)
    assert f"{path.name} is damaged at byte {at}; what follows was not read." in run.notes


def test_a_length_that_lies_allocates_nothing(tmp_path: Path) -> None:
    path = written(tmp_path, event("loss", 3.0, 1))
    length = struct.pack("<Q", 1 << 62)
    with path.open("ab") as file:
        file.write(length + struct.pack("<I", masked_crc32c(length)) + b"short")
    run = only(read_tensorboard(path))
    assert run.status == "running"
    assert run.metrics["loss"].steps == (1,)


def test_a_huge_record_is_passed_over(tmp_path: Path) -> None:
    path = written(tmp_path, event("loss", 3.0, 1))
    length = struct.pack("<Q", 65 << 20)
    with path.open("r+b") as file:
        file.seek(0, 2)
        file.write(length + struct.pack("<I", masked_crc32c(length)))
        file.seek((65 << 20) + 4, 1)  # a hole: nothing is written to the disk
        file.write(record(event("loss", 2.0, 2)))
    run = only(read_tensorboard(path))
    assert run.metrics["loss"].steps == (1, 2)
    assert f"{path.name}: left out 1 record over 64 MiB." in run.notes


def test_what_is_no_event_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        read_tensorboard(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no TensorBoard event files"):
        read_tensorboard(tmp_path)
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"")
    with pytest.raises(DataError, match="no events can be read"):
        read_tensorboard(path)
    path.write_text("not an event file, though its name says so")
    with pytest.raises(DataError, match="no events can be read"):
        read_tensorboard(path)


def test_a_damaged_run_does_not_hide_the_others(tmp_path: Path, golden: Path) -> None:
    shutil.copytree(golden / "tensorboard" / "native", tmp_path / "native")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "events.out.tfevents.1").write_bytes(b"junk" * 9)
    bad, good = read_tensorboard(tmp_path)
    assert (bad.name, bad.status) == ("bad", "failed")
    assert bad.reason == "nothing in its event files can be read"
    assert good.metrics["loss"].steps[-1] == 90


@settings(max_examples=150, deadline=2000)
@given(data=st.data())
def test_damage_never_ends_in_anything_but_an_error_of_ours(
    data: st.DataObject,
    golden: Path,
    damages: Damages,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    name = data.draw(st.sampled_from(["torch/alpha", "native/beta"]))
    whole = event_file(golden / "tensorboard" / name).read_bytes()
    path = tmp_path_factory.getbasetemp() / "events.out.tfevents.fuzz"
    path.write_bytes(data.draw(damages(whole)))
    with contextlib.suppress(IsolossError):
        curves = [series for run in read_tensorboard(path) for series in run.metrics.values()]
        assert all(len(series.steps) == len(series.values) for series in curves)


@settings(max_examples=150, deadline=2000)
@given(events=st.lists(st.binary(max_size=80), max_size=5))
def test_sound_records_with_any_content_are_read_or_left_out(
    events: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "content"
    path = written(folder, event("loss", 3.0, 1), *events, *(part(5, part(1, e)) for e in events))
    assert only(read_tensorboard(path)).metrics["loss"].steps[-1] >= 1
