"""Public models: our counts against those that are published."""

from __future__ import annotations

import pytest

from isoloss.architecture import count_parameters
from isoloss.architecture._preset_report import count_document, count_text, named_or_shaped
from isoloss.architecture.preset_catalogue import NOTABLE, preset, preset_aliases, presets
from isoloss.errors import UsageError

ALL = [known.name for known in presets()]

# Counts of public weights (safetensors metadata, `numel` of the loaded model), tied ones once:
# kept here apart from the data file, so that a wrong figure must be wrong twice.
PUBLIC = {
    "gpt2-124m": 124_439_808,
    "gpt2-1.5b": 1_557_611_200,
    "llama-2-7b": 6_738_415_616,
    "llama-2-70b": 68_976_648_192,
    "llama-65b": 65_285_660_672,
    "llama-3-8b": 8_030_261_248,
    "llama-3.1-405b": 405_853_388_800,
    "llama-3.2-1b": 1_235_814_400,
    "qwen2.5-0.5b": 494_032_768,
    "qwen2.5-32b": 32_763_876_352,
    "qwen2.5-72b": 72_706_203_648,
    "qwen3-0.6b": 596_049_920,
    "qwen3-1.7b": 1_720_574_976,
    "qwen3-14b": 14_768_307_200,
    "qwen3-32b": 32_762_123_264,
    "qwen3-30b-a3b": 30_532_122_624,
    "mixtral-8x7b": 46_702_792_704,
}


@pytest.mark.parametrize(("name", "parameters"), PUBLIC.items())
def test_exactly_the_public_weights(name: str, parameters: int) -> None:
    assert preset(name).counted == parameters


@pytest.mark.parametrize("name", ALL)
def test_within_a_percent_or_with_a_reason(name: str) -> None:
    known = preset(name)
    assert abs(known.difference) < 0.05
    assert bool(known.reason) or abs(known.difference) <= NOTABLE
    assert known.source


@pytest.mark.parametrize("name", [known.name for known in presets() if known.exact])
def test_with_what_is_missing_it_is_the_public_count(name: str) -> None:
    known = preset(name)
    assert known.exact is not None
    assert known.counted + known.missing == known.exact
    assert bool(known.missing_what) or not known.missing


def test_gpt3_175b_to_its_three_digits() -> None:
    # 12 · layers · width² + (vocabulary + context) · width, and the vectors of the blocks.
    d, layers = 12288, 96
    matrices = 12 * layers * d**2 + (50257 + 2048) * d
    vectors = layers * (9 * d + 4 * d) + 2 * d
    assert preset("gpt3").counted == matrices + vectors
    assert round(preset("gpt3").counted / 1e9) == 175


def test_bert_base_by_hand() -> None:
    # Embeddings 23,837,184 with 512 positions (and 1,536 norm), twelve layers of 7,087,872, head
    # of 592,128 and 30,522 biases; BertForMaskedLM has 1,536 more: two token types.
    assert preset("bert-base").counted == 109_512_762
    assert 23_440_896 + 393_216 + 1_536 + 12 * 7_087_872 + 592_128 + 30_522 == 109_512_762


def test_t5_lacks_its_relative_positions() -> None:
    known = preset("t5-3b")
    assert known.missing == 2 * 32 * known.config.n_head
    assert known.config.n_head * known.config.head_dim != known.config.d_model


@pytest.mark.parametrize(("name", "active"), [("qwen3-30b-a3b", 3.35e9), ("mixtral-8x7b", 12.88e9)])
def test_active_parameters_of_experts(name: str, active: float) -> None:
    assert count_parameters(preset(name).config).active == pytest.approx(active, rel=1e-3)


def test_a_misspelt_name_gets_close_ones() -> None:
    with pytest.raises(UsageError, match="no such public model: 'lama-2-7b'") as caught:
        preset("lama-2-7b")
    assert "llama-2-7b" in caught.value.hint


def test_short_names_and_spellings() -> None:
    assert all(name in ALL for name in preset_aliases().values())
    assert preset("GPT3").name == "gpt3-175b"
    assert preset("Qwen3_0.6B").name == "qwen3-0.6b"


@pytest.mark.parametrize("name", ["gpt3", "mixtral-8x7b", "bert", "t5-11b"])
def test_the_document_adds_up(name: str) -> None:
    known = preset(name)
    document = count_document(known.config, known)
    assert sum(document["components"].values()) == document["params_total"]
    counts = count_parameters(known.config)
    assert document["flops_per_token"]["6nd_total"] == 6 * counts.active
    assert document["flops_per_token"]["palm"] > document["flops_per_token"]["matmul"]
    text = count_text(document)
    assert f"{known.counted:,}" in text
    assert known.source in text


def test_a_difference_above_a_percent_is_explained_in_the_text() -> None:
    known = preset("llama-2-7b")
    text = count_text(count_document(known.config, known))
    assert "counted -3.74%" in text
    assert "why: 7,000,000,000 is rounded: the public weights are 6,738,415,616" in text


SHAPE = {"family": "llama", "vocab_size": 512, "context_length": 64, "n_layer": None}


def test_a_shape_of_a_family_with_options() -> None:
    config, known = named_or_shaped(
        None, 64, **SHAPE, options={"n_kv_head": "2", "tied_embeddings": "true"}
    )
    assert known is None
    assert (config.kv_heads, config.tied_embeddings, config.activation) == (2, True, "swiglu")
    assert config.n_layer == 3


@pytest.mark.parametrize(
    ("name", "d_model", "options", "message"),
    [
        (None, None, {}, "either the name"),
        ("gpt3", 64, {}, "either the name"),
        ("gpt3", None, {"n_head": "8"}, "--set goes with --d-model"),
        (None, 64, {"tied_embeddings": "yes"}, "expects true or false"),
        (None, 64, {"d_model": "32"}, "an option of its own"),
        (None, 64, {"wings": "2"}, "unknown option of a model"),
        (None, 64, {"n_head": "many"}, "n_head must be a positive integer"),
    ],
)
def test_wrong_words(name, d_model, options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        named_or_shaped(name, d_model, **SHAPE, options=options)
