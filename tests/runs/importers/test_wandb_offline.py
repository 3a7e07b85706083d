"""W&B's offline logs: what the library wrote, and what damage does to it."""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import struct
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.errors import DataError, IsolossError, NotFoundError
from isoloss.runs.importers._wandb_log import HEADER
from isoloss.runs.importers.history import RunHistory
from isoloss.runs.importers.wandb_offline import looks_like_wandb, read_wandb

Damages = Callable[[bytes], st.SearchStrategy[bytes]]
BLOCK = 32 << 10


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def part(number: int, data: bytes | str) -> bytes:
    data = data.encode() if isinstance(data, str) else data
    return varint(number << 3 | 2) + varint(len(data)) + data


def whole(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def items(values: dict[str, object], number: int = 1) -> bytes:
    """Items with a key, or a nested key where a name has a slash, and JSON."""
    made = b""
    for name, value in values.items():
        names = name.split("|")
        path = part(1, name) if len(names) == 1 else b"".join(part(2, piece) for piece in names)
        made += part(number, path + part(16, json.dumps(value)))
    return made


def run_record(name: str = "r1", **config: object) -> bytes:
    return part(17, part(1, name) + part(4, items(config)))


def history(step: int | None = None, **values: object) -> bytes:
    return part(2, items(values) + (part(2, whole(1, step)) if step is not None else b""))


EXIT = part(18, b"")


def log(records: Sequence[bytes]) -> bytes:
    """The records in chunks of blocks of 32 KiB, by the format's description."""
    out = bytearray(HEADER)
    for record in records:
        first = True
        while True:
            room = BLOCK - len(out) % BLOCK
            if room < 7:
                out += bytes(room)
                room = BLOCK
            piece, record = record[: room - 7], record[room - 7 :]
            kind = (1 if first else 4) if not record else (2 if first else 3)
            checksum = zlib.crc32(bytes([kind]) + piece)
            out += struct.pack("<IHB", checksum, len(piece), kind) + piece
            first = False
            if not record:
                break
    return bytes(out)


def written(folder: Path, *records: bytes, name: str = "run-r1.wandb") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(log(records))
    return folder / name


def only(runs: list[RunHistory]) -> RunHistory:
    assert len(runs) == 1
    return runs[0]


def log_of(golden: Path, name: str) -> Path:
    return next((golden / "wandb").rglob(f"run-{name}.wandb"))


def test_a_whole_folder_is_read(golden: Path) -> None:
    gamma, alpha, beta = read_wandb(golden / "wandb")
    assert [run.name for run in (alpha, beta, gamma)] == ["run alpha", "run beta", "run gamma"]
    assert (alpha.status, alpha.reason) == ("ok", "")
    assert (beta.status, beta.reason) == ("failed", "it ended with exit code 1")
    assert gamma.status == "running"
    assert gamma.reason == "its log has no end: it is still going, or it was killed"
    assert alpha.created_at.startswith("2026-")


def test_configuration_is_flat_and_has_later_updates(golden: Path) -> None:
    run = only(read_wandb(log_of(golden, "alpha")))
    assert run.config == {
        "lr": 3e-4,
        "layers": 2,
        "tied": True,
        "note": None,
        "late": "set while it ran",
        "model.d": 64,
        "model.act": "relu",
        "wandb.id": "alpha",
        "wandb.project": "golden",
        "wandb.group": "ladder",
        "wandb.tags": "tiny",
    }
    assert run.summary["best"] == 2.2
    assert run.summary["eval.loss"] == 3.5


def test_define_metric_gives_the_axis(golden: Path) -> None:
    run = only(read_wandb(log_of(golden, "alpha")))
    # Both are over tokens: by a glob, `train/*`, and by name, with step_sync.
    assert run.metrics["train/loss"].steps == tuple(range(0, 100_000, 10_000))
    assert math.isnan(run.metrics["train/loss"].values[6])
    assert run.metrics["train/loss"].values[9] == 2.2
    assert run.metrics["eval.loss"].steps == (0, 50_000)
    assert run.metrics["eval.loss"].values == (4.5, 3.5)
    # So are those without a definition, and the step metric itself: one run has one axis.
    assert run.metrics["gpu.memory"].steps == tuple(range(0, 100_000, 10_000))
    assert run.metrics["tokens"].values == run.metrics["tokens"].steps
    assert "All curves are over their step metric 'tokens'." in run.notes


def test_a_run_with_several_axes_stays_over_steps(golden: Path) -> None:
    run = only(read_wandb(log_of(golden, "beta")))
    # Evaluations took two of W&B's steps each.
    assert run.metrics["train/loss"].steps == (0, 3, 4, 5, 6, 7, 10, 11, 12, 13)
    assert run.metrics["tokens"].values == tuple(range(0, 100_000, 10_000))
    assert run.metrics["eval.loss"].steps == (2, 9)
    assert run.notes[0] == (
        "Curves have several step metrics, and are over W&B's own steps: "
        "eval.loss over epoch, train/loss over tokens."
    )


def test_a_record_over_several_blocks_is_one(golden: Path) -> None:
    run = only(read_wandb(log_of(golden, "alpha")))
    assert run.summary["long"] == "x" * 70_000
    assert "Not numbers and left out: 2 metrics (long, text)." in run.notes


def test_what_was_written_before_a_kill_is_there(golden: Path) -> None:
    run = only(read_wandb(log_of(golden, "gamma")))
    assert log_of(golden, "gamma").stat().st_size % BLOCK == 0
    assert run.metrics["train/loss"].values[9] == 2.2
    assert 200 < run.metrics["filler"].values[-1] < 249
    assert "run-gamma.wandb ends in the middle of a record." in run.notes


def test_what_looks_like_it(golden: Path, tmp_path: Path) -> None:
    assert looks_like_wandb(golden / "wandb")
    assert looks_like_wandb(log_of(golden, "beta"))
    assert not looks_like_wandb(golden / "mlflow")
    (tmp_path / "x.wandb").write_text("no")
    assert not looks_like_wandb(tmp_path / "x.wandb")
    assert not looks_like_wandb(tmp_path / "nowhere")


def test_a_run_that_went_on_later_is_one(tmp_path: Path) -> None:
    written(tmp_path / "offline-run-1", run_record(lr=1), history(0, loss=3), history(1, loss=2))
    written(tmp_path / "offline-run-2", run_record(lr=2), history(2, loss=1), EXIT)
    run = only(read_wandb(tmp_path))
    assert run.metrics["loss"].steps == (0, 1, 2)
    assert (run.status, run.config["lr"]) == ("ok", 2)
    assert "Put together from 2 files of the run r1." in run.notes


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("a", "b"):
        record = part(17, part(1, name) + part(8, "same"))
        written(tmp_path, record, EXIT, name=f"run-{name}.wandb")
    assert [run.name for run in read_wandb(tmp_path)] == ["same (a)", "same (b)"]


def test_points_take_the_last_value_of_their_step_metric(tmp_path: Path) -> None:
    records = [
        run_record(),
        part(12, part(1, "loss") + part(4, "tokens")),
        history(0, loss=9),
        history(1, tokens=100, loss=8),
        history(2, loss=7),
        history(3, tokens=200, loss=6),
    ]
    run = only(read_wandb(written(tmp_path, *records, EXIT)))
    # Before it has any value it is 0; of two points at one value the last counts.
    assert run.metrics["loss"].steps == (0, 100, 200)
    assert run.metrics["loss"].values == (9, 7, 6)


def test_a_step_metric_that_was_never_logged_is_no_axis(tmp_path: Path) -> None:
    definition = part(12, part(2, "eval/*") + part(4, "never"))
    records = [run_record(), definition, history(3, **{"eval/loss": 5}), EXIT]
    run = only(read_wandb(written(tmp_path, *records)))
    assert run.metrics["eval/loss"].steps == (3,)
    assert run.notes == (
        "Curves have a step metric without values, and are over W&B's own steps: "
        "eval/loss over never.",
    )


def test_media_and_texts_are_left_out(tmp_path: Path) -> None:
    records = [
        run_record(),
        history(0, **{"loss": 1, "image|_type": "image-file", "image|width": 64, "say": "hi"}),
        history(1, loss="NaN", hist={"_type": "histogram", "bins": [1]}, list=[1]),
    ]
    run = only(read_wandb(written(tmp_path, *records)))
    assert set(run.metrics) == {"loss"}
    assert math.isnan(run.metrics["loss"].values[1])
    assert "Not numbers and left out: 4 metrics (hist, image, list, …)." in run.notes


def test_nested_updates_and_removals_of_the_configuration(tmp_path: Path) -> None:
    removal = part(5, part(2, part(1, "gone")))
    records = [
        run_record(model={"d": 64, "act": "gelu"}, gone=1, _wandb={"secret": 1}),
        part(5, items({"model|act": "relu", "model|deep|er": 3})),
        removal,
        EXIT,
    ]
    run = only(read_wandb(written(tmp_path, *records)))
    expected = {"model.d": 64, "model.act": "relu", "model.deep.er": 3, "wandb.id": "r1"}
    assert run.config == expected


@pytest.mark.parametrize("size", [BLOCK - 21, BLOCK - 28, 2 * BLOCK, 5 * BLOCK + 3])
def test_records_of_any_length_are_put_together(tmp_path: Path, size: int) -> None:
    texts = ["x" * size, "y" * size]
    records = [history(index, text=text, n=index) for index, text in enumerate(texts)]
    run = only(read_wandb(written(tmp_path, run_record(), *records)))
    assert run.metrics["n"].values == (0, 1)
    assert not any("damaged" in note for note in run.notes)


def test_after_damage_the_next_block_is_read(tmp_path: Path) -> None:
    records = [run_record(), *(history(i, loss=i, pad="x" * 1000) for i in range(100)), EXIT]
    path = written(tmp_path, *records)
    data = bytearray(path.read_bytes())
    data[BLOCK + 5000] ^= 0xFF
    path.write_bytes(data)
    run = only(read_wandb(path))
    assert run.status == "ok"
    steps = run.metrics["loss"].steps
    assert (steps[0], steps[-1]) == (0, 99)
    # At most one block of some 31 records is lost.
    assert 65 < len(steps) < 100
    assert "run-r1.wandb: left out 1 damaged place." in run.notes


def test_what_is_no_log_is_refused(tmp_path: Path, golden: Path) -> None:
    with pytest.raises(NotFoundError):
        read_wandb(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"no \.wandb files"):
        read_wandb(tmp_path)
    path = tmp_path / "run-x.wandb"
    path.write_bytes(HEADER)
    with pytest.raises(DataError, match="no run in it") as caught:
        read_wandb(path)
    assert "32 KiB" in caught.value.hint
    path.write_bytes(HEADER[:-1] + b"\x07")
    with pytest.raises(DataError, match="found 7"):
        read_wandb(path)
    path.write_text("not a log at all")
    with pytest.raises(DataError, match=r"not a \.wandb file"):
        read_wandb(path)
    shutil.copy(log_of(golden, "beta"), tmp_path / "run-beta.wandb")
    run = only(read_wandb(tmp_path))
    assert run.name == "run beta"
    assert any(note.startswith("Not read:") and "run-x.wandb" in note for note in run.notes)


@settings(max_examples=150, deadline=2000)
@given(data=st.data())
def test_damage_never_ends_in_anything_but_an_error_of_ours(
    data: st.DataObject,
    golden: Path,
    damages: Damages,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.wandb"
    path.write_bytes(data.draw(damages(log_of(golden, "beta").read_bytes())))
    with contextlib.suppress(IsolossError):
        curves = [series for run in read_wandb(path) for series in run.metrics.values()]
        assert all(len(series.steps) == len(series.values) for series in curves)


@settings(max_examples=80, deadline=2000)
@given(
    records=st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.tuples(st.sampled_from([2, 3, 5, 12, 17, 18]), st.binary(max_size=60)).map(
                lambda pair: part(*pair)
            ),
            st.tuples(st.text(max_size=8), st.text(max_size=12)).map(
                lambda pair: part(2, part(1, part(1, pair[0]) + part(16, pair[1])))
            ),
            st.dictionaries(
                st.text("ab|._", max_size=6),
                st.recursive(
                    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=3), inner),
                    max_leaves=4,
                ),
                max_size=4,
            ).map(lambda values: part(2, items(values)) + part(5, items(values))),
        ),
        max_size=6,
    )
)
def test_sound_records_with_any_content_are_read_or_left_out(
    records: list[bytes], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "content"
    path = written(folder, run_record(), *records, history(1 << 40, certain=1))
    assert only(read_wandb(path)).metrics["certain"].values == (1,)


@settings(max_examples=25, deadline=2000)
@given(depth=st.integers(1, 3000))
def test_no_depth_of_nesting_is_too_much(
    depth: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.getbasetemp() / "deep"
    deep = '{"a":' * depth + "1" + "}" * depth
    keys = b"".join(part(2, "k") for _ in range(depth))
    records = [
        run_record(),
        part(2, part(1, part(1, "deep") + part(16, deep))),
        part(5, part(1, part(1, "deep") + part(16, deep)) + part(1, keys + part(16, "1"))),
        part(5, part(1, part(2, "deep") + part(2, "a") + part(2, "b") + part(16, "1"))),
        part(2, part(1, keys + part(16, "1"))),
    ]
    run = only(read_wandb(written(folder, *records)))
    assert run.config["deep.a.b"] == 1
