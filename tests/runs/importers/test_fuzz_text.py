"""Logs cut anywhere, with bytes changed, or made of junk: a result, or one of our errors."""

from __future__ import annotations

import json
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from isoloss.errors import IsolossError
from isoloss.runs.importers import FORMATS, import_runs
from isoloss.runs.importers._logs import number_of, value_of
from isoloss.runs.importers.formats import detected
from isoloss.runs.importers.model_config import shape_of

GOLDEN = Path(__file__).parent / "golden"
SOURCES = {
    "hf-trainer": "hf/llama-tiny/trainer_state.json",
    "nanogpt": "nanogpt/resumed.txt",
    "nanochat": "nanochat/d4.txt",
    "megatron": "megatron/diverged.txt",
    "olmo": "olmo/olmo_core.txt",
    "isoloss-jsonl": "jsonl/events.jsonl",
    "lm-eval": "harness/tiny/results_2026-11-26T12-16-30.254549.json",
    "isoloss-task": "task/perplexity.json",
    "csv": "tables/billions.csv",
    "jsonl": "jsonl/events.jsonl",
}
FEW = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


def outcome(path: Path, format: str, data: bytes) -> str:
    """`read` where there is a result that can be shown and saved, `refused` by an error of ours."""
    path.write_bytes(data)
    detected(str(path))
    points = "all" if len(data) % 2 else "last"
    try:
        imported = import_runs(path, format=format, points=points, preview=True)
    except IsolossError as error:
        return "refused" if error.message else "refused without a word"
    imported.runs.hash()
    imported.summary()
    json.dumps(imported.to_dict(), allow_nan=False)
    return "read" if len(imported.runs) else "read nothing"


ENDS = ("read", "refused")


def whole(format: str) -> bytes:
    return (GOLDEN / SOURCES[format]).read_bytes()


@pytest.mark.parametrize("format", SOURCES)
def test_whole_logs_are_read(place: Path, format: str) -> None:
    assert outcome(place / f"whole-{Path(SOURCES[format]).name}", format, whole(format)) == "read"


@pytest.mark.parametrize("format", SOURCES)
@FEW
@given(data=st.data())
def test_cut_at_any_byte(place: Path, format: str, data: st.DataObject) -> None:
    text = whole(format)
    assert outcome(place / "cut.log", format, text[: data.draw(st.integers(0, len(text)))]) in ENDS


@pytest.mark.parametrize("format", SOURCES)
@FEW
@given(data=st.data())
def test_any_bytes_changed(place: Path, format: str, data: st.DataObject) -> None:
    text = bytearray(whole(format))
    flips = st.tuples(st.integers(0, len(text) - 1), st.integers(0, 255))
    for index, byte in data.draw(st.lists(flips, min_size=1, max_size=12)):
        text[index] = byte
    assert outcome(place / "changed.log", format, bytes(text)) in ENDS


@pytest.mark.parametrize("format", SOURCES)
@FEW
@given(junk=st.binary(max_size=400))
def test_junk(place: Path, format: str, junk: bytes) -> None:
    assert outcome(place / "junk.log", format, junk) in ENDS


NUMBERS = st.sampled_from(
    ["nan", "inf", "-inf", "1e999", "9" * 400, "-1", "0", "1e-400", "4.2B", "1,2,3", "", "x"]
)


def lines(format: str) -> Iterator[str]:
    made = {
        "nanogpt": "step {0}: train loss {1}, val loss {2}",
        "nanochat": "step {0}/{1} (1.00%) | loss: {2} | lrm: {1}",
        "megatron": " iteration {0}/ {1} | consumed samples: {2} | lm loss: {1} |",
        "olmo": "[step={0}/{1},epoch=0]\n    train/CE loss={2}",
        "isoloss-jsonl": '{{"event": "eval", "step": {0}, "loss": {1}, "tokens": {2}}}',
    }
    yield made[format]


@pytest.mark.parametrize("format", ["nanogpt", "nanochat", "megatron", "olmo", "isoloss-jsonl"])
@FEW
@given(values=st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS), max_size=6))
def test_numbers_that_are_none(place: Path, format: str, values: list[tuple[str, ...]]) -> None:
    template = next(lines(format))
    text = "\n".join(template.format(*value) for value in values)
    assert outcome(place / "numbers.log", format, text.encode()) in ENDS


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@FEW
@given(
    entries=st.lists(st.dictionaries(st.sampled_from(["step", "loss", "eval_loss", "x"]), JSON)),
    step=JSON,
    planned=JSON,
    flos=JSON,
)
def test_any_trainer_state(place: Path, entries, step, planned, flos) -> None:
    state = {"log_history": entries, "global_step": step, "max_steps": planned, "total_flos": flos}
    assert outcome(place / "state.json", "hf-trainer", json.dumps(state).encode()) in ENDS


@FEW
@given(
    kind=st.sampled_from(["llama", "qwen3", "gpt2", "nanogpt", "megatron", ""]), values=st.data()
)
def test_any_config(kind: str, values: st.DataObject) -> None:
    names = [
        "vocab_size", "max_position_embeddings", "hidden_size", "num_hidden_layers", "head_dim",
        "num_attention_heads", "intermediate_size", "n_embd", "n_layer", "n_head", "n_positions",
        "block_size", "bias", "num_layers", "ffn_hidden_size", "padded_vocab_size", "d_model",
        "context_length", "d_ff", "family", "num_query_groups", "group_query_attention",
        "position_embedding_type", "swiglu",
    ]  # fmt: skip
    config = values.draw(st.dictionaries(st.sampled_from(names), JSON | st.integers(1, 64)))
    shape = shape_of({**config, "model_type": kind} if kind else config, origin="config")
    assert shape.config is None or shape.config.d_model > 0


@given(st.text(alphabet=string.printable, max_size=30))
def test_any_word_is_a_setting(text: str) -> None:
    value_of(text)
    number = number_of(text)
    assert number is None or isinstance(number, float)


def test_every_format_that_reads_text_is_fuzzed() -> None:
    ours = {name for name, one in FORMATS.items() if one.reader and one.kind == "log"}
    others = {"mlflow", "wandb", "trackio", "tensorboard"}
    assert ours - others <= SOURCES.keys()
