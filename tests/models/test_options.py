"""Every option of a model against its definition."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from isoloss.architecture import TransformerConfig, config_for_width
from isoloss.models import (
    Decoder,
    Encoder,
    EncoderDecoder,
    Experts,
    LanguageModel,
    Mask,
    attention_mask,
    build_model,
    fused_attention,
    plain_attention,
)
from isoloss.models.experts import load_balance
from isoloss.models.feed_forward import FeedForward
from isoloss.models.norms import Norm
from isoloss.models.positions import alibi_slopes, sinusoidal_table
from isoloss.models.stack import segment_positions

VOCAB, LENGTH = 40, 12
POSITIONS = ("rotary", "sinusoidal", "learned", "alibi", "none")
SHAPES: dict[str, dict[str, Any]] = {
    "isoloss": {},
    "llama": {"family": "llama", "n_kv_head": 1},
    "qwen3": {"family": "qwen3", "head_width": 8},
    "gpt2": {"family": "gpt2"},
    "post": {"norm_position": "post", "norm_weights": True, "norm": "layernorm"},
    "alibi": {"positions": "alibi"},
    "sinusoidal": {"positions": "sinusoidal"},
    "window": {"window": 3},
    "experts": {"n_expert": 3},
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tokens(rows: int = 1, length: int = LENGTH, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(1, VOCAB, (rows, length), generator=generator)


def restless(**options: Any) -> Any:
    """A small model in float64 whose every weight differs from its (partly zero) start."""
    model = build_model(config_for_width(32, vocab_size=VOCAB, context_length=LENGTH, **options))
    model = model.double().eval()
    with torch.no_grad():
        for index, parameter in enumerate(model.parameters()):
            parameter.add_(0.3 * random(*parameter.shape, seed=index))
    return model


def masks() -> dict[str, Mask]:
    places = torch.arange(6)
    segments = torch.tensor([[1, 1, 1, 2, 2, 0], [1, 2, 2, 2, 0, 0]])
    pairs = {"query_segments": segments, "key_segments": segments}
    return {
        "causal": attention_mask(places, places, causal=True),
        "all": attention_mask(places, places, causal=False),
        "window": attention_mask(places, places, causal=True, window=2),
        "segments": attention_mask(places, places, causal=True, **pairs),
        "prefix": attention_mask(places, places, causal=True, prefix=torch.tensor([2, 4])),
        "alibi": attention_mask(places, places, causal=True, alibi_heads=4, dtype=torch.float64),
        "both": attention_mask(
            places, places, causal=False, window=3, alibi_heads=4, dtype=torch.float64, **pairs
        ),
    }


@pytest.mark.parametrize("name", masks())
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_fused_attention_is_the_plain_formula(name: str, kv_heads: int) -> None:
    mask = masks()[name]
    q = random(2, 4, 6, 8, seed=1).requires_grad_()
    k, v = (random(2, kv_heads, 6, 8, seed=s).requires_grad_() for s in (2, 3))
    plain, fused = plain_attention(q, k, v, mask), fused_attention(q, k, v, mask)
    torch.testing.assert_close(fused, plain)
    weight = random(2, 4, 6, 8, seed=4)
    for got, expected in zip(
        torch.autograd.grad((fused * weight).sum(), (q, k, v)),
        torch.autograd.grad((plain * weight).sum(), (q, k, v)),
        strict=True,
    ):
        torch.testing.assert_close(got, expected)


def test_masks_are_what_their_words_say() -> None:
    found = masks()
    assert found["causal"] == Mask(causal=True)
    assert found["all"] == Mask()
    for name, seen in (
        ("window", lambda b, i, j: 0 <= i - j < 2),
        ("prefix", lambda b, i, j: j <= i or j < (2, 4)[b]),
        ("segments", lambda b, i, j: j <= i and SEGMENTS[b][i] == SEGMENTS[b][j]),
    ):
        bias = found[name].bias
        assert bias is not None
        for b in range(2):
            row = bias[min(b, len(bias) - 1), 0]
            expected = [[seen(b, i, j) for j in range(6)] for i in range(6)]
            assert row.tolist() == expected, name


SEGMENTS = ((1, 1, 1, 2, 2, 0), (1, 2, 2, 2, 0, 0))


def test_alibi_falls_with_distance_by_the_published_slopes() -> None:
    assert alibi_slopes(8).tolist() == [2.0**-i for i in range(1, 9)]
    assert alibi_slopes(6).tolist() == [2**-2, 2**-4, 2**-6, 2**-8, 2**-1, 2**-3]
    bias = masks()["alibi"].bias
    assert bias is not None
    assert bias[0, 1, 4, 1].item() == -3 * 2**-4
    assert bias[0, 1, 1, 4].item() == -math.inf


def test_sinusoids_are_those_of_the_paper() -> None:
    table = sinusoidal_table(5, 6)
    assert table[3, 2].item() == pytest.approx(math.sin(3 / 10_000 ** (2 / 6)), abs=1e-7)
    assert table[3, 3].item() == pytest.approx(math.cos(3 / 10_000 ** (2 / 6)), abs=1e-7)
    assert sinusoidal_table(3, 5).shape == (3, 5)


def activation(name: str, x: Tensor) -> Tensor:
    """By their formulas, with the error function and the logistic function written out."""
    if name == "relu2":
        return x.clamp(min=0) ** 2
    if name == "gelu":
        return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))
    if name == "gelu_tanh":
        return 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    return x / (1 + torch.exp(-x)) if name == "silu" else x.clamp(min=0)


@pytest.mark.parametrize("name", ["relu2", "relu", "gelu", "gelu_tanh", "silu", "swiglu", "geglu"])
@pytest.mark.parametrize("biases", ["none", "all"])
def test_feed_forward_is_its_formula(name: str, biases: Any) -> None:
    config = config_for_width(
        16, vocab_size=VOCAB, context_length=LENGTH, activation=name, biases=biases
    )
    module = FeedForward(config).double()
    x = random(3, 16, seed=2)
    up = x @ module.up.weight.T + (module.up.bias if biases == "all" else 0)
    if name.endswith("glu"):
        gate, value = up.split(config.d_ff, dim=-1)
        up = activation({"swiglu": "silu", "geglu": "gelu"}[name], gate) * value
    else:
        up = activation(name, up)
    expected = up @ module.down.weight.T + (module.down.bias if biases == "all" else 0)
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("eps", [None, 0.1])
@pytest.mark.parametrize("norm", ["rmsnorm", "layernorm"])
def test_norms_are_their_formulas(norm: Any, eps: float | None) -> None:
    config = config_for_width(
        16,
        vocab_size=VOCAB,
        context_length=LENGTH,
        norm=norm,
        norm_weights=True,
        norm_bias=norm == "layernorm",
        norm_eps=eps,
    )
    module = Norm(config).double()
    x = random(3, 16)
    assert module.weight is not None
    module.weight.data += random(16, seed=1)
    centred = x - x.mean(1, keepdim=True) if norm == "layernorm" else x
    tiny = eps or (1e-5 if norm == "layernorm" else torch.finfo(torch.float64).eps)
    expected = centred / (centred.square().mean(1, keepdim=True) + tiny).sqrt() * module.weight
    torch.testing.assert_close(module(x), expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_cache_changes_no_logit(shape: str) -> None:
    model: Decoder = restless(**SHAPES[shape])
    ids = tokens(3)
    cache = model.new_cache()
    parts = [model(part, cache=cache) for part in ids.split([5, 1, 1, 3, 2], dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(ids))
    assert cache.length == LENGTH


@pytest.mark.parametrize("shape", [s for s in SHAPES if s != "window"])
def test_padding_on_the_left_changes_no_logit(shape: str) -> None:
    model: Decoder = restless(**SHAPES[shape])
    ids = tokens(1, 7)
    padded = torch.cat((torch.zeros(1, 3, dtype=torch.long), ids), dim=1)
    segments = torch.tensor([[0] * 3 + [1] * 7])
    near = {"rtol": 1e-5, "atol": 1e-5}  # the rotary table is float32
    torch.testing.assert_close(model(padded, segments=segments)[:, 3:], model(ids), **near)
    cache = model.new_cache()
    parts = [
        model(padded[:, part], segments=segments[:, part], cache=cache)
        for part in (slice(0, 6), slice(6, 7), slice(7, 10))
    ]
    torch.testing.assert_close(torch.cat(parts, dim=1)[:, 3:], model(ids), **near)


@pytest.mark.parametrize("positions", POSITIONS)
@pytest.mark.parametrize("family", ["isoloss", "encoder"])
def test_packed_documents_are_as_if_alone(family: str, positions: str) -> None:
    model = restless(family=family, positions=positions)
    first, second = tokens(1, 5, seed=1), tokens(1, 7, seed=2)
    segments = torch.tensor([[1] * 5 + [2] * 7])
    together = model(torch.cat((first, second), dim=1), segments=segments)
    alone = torch.cat((model(first), model(second)), dim=1)
    torch.testing.assert_close(together, alone, rtol=1e-6, atol=1e-6)  # rotary table: float32


@pytest.mark.parametrize("positions", POSITIONS)
def test_packed_pairs_are_as_if_alone(positions: str) -> None:
    model: EncoderDecoder = restless(family="encoder-decoder", positions=positions)
    sources, targets = (
        [tokens(1, n, seed=n) for n in (4, 6)],
        [tokens(1, n, seed=n) for n in (7, 3)],
    )
    pad = torch.zeros(1, 2, dtype=torch.long)
    together = model(
        torch.cat((*sources, pad), dim=1),
        torch.cat((*targets, pad), dim=1),
        source_segments=torch.tensor([[1] * 4 + [2] * 6 + [0] * 2]),
        target_segments=torch.tensor([[1] * 7 + [2] * 3 + [0] * 2]),
    )
    alone = torch.cat([model(s, t) for s, t in zip(sources, targets, strict=True)], dim=1)
    torch.testing.assert_close(together[:, :10], alone, rtol=1e-6, atol=1e-6)
    assert together.isfinite().all()


def test_the_target_is_generated_from_a_cache_as_without_one() -> None:
    model: EncoderDecoder = restless(family="encoder-decoder")
    source, target = tokens(2, 6), tokens(2, 8, seed=5)
    segments = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    memory = model.encode(source, source_segments=segments)
    cache, parts = model.new_cache(), []
    for part in target.split([3, 1, 4], dim=1):
        hidden = model.hidden(None, part, memory=memory, source_segments=segments, cache=cache)
        parts.append(model.logits(hidden))
    expected = model(source, target, source_segments=segments)
    torch.testing.assert_close(torch.cat(parts, dim=1), expected)
    cache.reorder(torch.tensor([1, 1]))
    assert torch.equal(cache.crossed[0][0][0], cache.crossed[0][0][1])


def test_an_encoder_sees_both_ways_and_a_decoder_only_back() -> None:
    for family, changed in (("encoder", True), ("isoloss", False)):
        model = restless(family=family)
        ids = tokens()
        other = ids.clone()
        other[0, -1] = (other[0, -1] + 1) % VOCAB
        same = torch.equal(model(ids)[0, 0], model(other)[0, 0])
        assert same is not changed, family


def test_a_prefix_sees_itself_both_ways_and_nothing_later() -> None:
    model: Decoder = restless()
    ids, prefix = tokens(), torch.tensor([5])
    base = model(ids, prefix=prefix)
    inside, later = ids.clone(), ids.clone()
    inside[0, 4] = (inside[0, 4] + 1) % VOCAB
    later[0, 8] = (later[0, 8] + 1) % VOCAB
    assert not torch.isclose(model(inside, prefix=prefix)[0, 0], base[0, 0]).all()
    assert torch.equal(model(later, prefix=prefix)[0, :8], base[0, :8])


def test_a_window_sees_no_further_back_through_one_layer() -> None:
    model: Decoder = restless(window=3, n_layer=1)
    ids = tokens()
    other = ids.clone()
    other[0, 4] = (other[0, 4] + 1) % VOCAB
    changed = ~torch.isclose(model(ids), model(other)).all(-1)[0]
    assert changed.nonzero().flatten().tolist() == [4, 5, 6]


def test_grouped_queries_are_heads_that_share_keys_and_values() -> None:
    grouped: Decoder = restless(n_kv_head=1)
    full: Decoder = restless()
    state = grouped.state_dict()
    for name, weight in state.items():
        if name.endswith("qkv.weight"):
            q, k, v = weight.split([32, 16, 16])
            state[name] = torch.cat((q, k, k, v, v))
    full.load_state_dict(state)
    torch.testing.assert_close(full(tokens(2)), grouped(tokens(2)))


@pytest.mark.parametrize("activation", ["relu2", "swiglu"])
def test_experts_are_a_weighted_sum_of_the_chosen_ones(activation: Any) -> None:
    model: Decoder = restless(n_expert=4, experts_per_token=2, activation=activation)
    module = model.stack.layers()[0].feed_forward
    assert isinstance(module, Experts)
    x = random(2, 5, 32, seed=8)
    expected = torch.zeros_like(x)
    plain = FeedForward(model.config).double()
    for b in range(2):
        for t in range(5):
            p = torch.exp(module.router.weight @ x[b, t])
            best = p.argsort(descending=True)[:2]
            for e in best:
                plain.up.weight.data, plain.down.weight.data = module.up[e], module.down[e]
                expected[b, t] += p[e] / p[best].sum() * plain(x[b, t])
    torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-5)  # router in float32


def test_balance_is_one_when_all_experts_are_used_alike_and_their_number_when_one_is() -> None:
    even = torch.full((8, 4), 0.25)
    assert load_balance(even, torch.arange(8)[:, None] % 4).item() == pytest.approx(1)
    one = torch.tensor([[1.0, 0, 0, 0]]).repeat(8, 1)
    assert load_balance(one, torch.zeros(8, 1, dtype=torch.long)).item() == pytest.approx(4)
    model: LanguageModel = restless(n_expert=4, balance_weight=0.5)
    assert restless().balance_loss() is None
    assert model.balance_loss() is None
    model(tokens(2))
    loss = model.balance_loss()
    assert loss is not None
    assert loss.item() > 0
    loss.backward()
    assert model.get_parameter("stack.blocks.0.feed_forward.router.weight").grad is not None


def test_tied_embeddings_are_one_parameter() -> None:
    model: Decoder = restless(tied_embeddings=True)
    assert model.head.weight is model.embedding.weight
    assert "head.weight" not in dict(model.named_parameters())
    hidden = model.hidden(tokens())
    torch.testing.assert_close(model(tokens()), hidden @ model.embedding.weight.T)


def test_a_head_transform_is_map_activation_and_norm() -> None:
    model: Encoder = restless(family="bert")
    x = random(4, 32, seed=3)
    inner = activation("gelu", x @ model.head_transform.weight.T + model.head_transform.bias)
    inner = F.layer_norm(inner, (32,), model.head_norm.weight, model.head_norm.bias, 1e-12)
    expected = inner @ model.embedding.weight.T + model.head.bias
    torch.testing.assert_close(model.logits(x), expected)


def test_dropout_acts_in_training_alone_and_keeps_the_mean() -> None:
    model: Decoder = restless(dropout=0.4)
    assert torch.equal(model(tokens()), restless()(tokens()))
    model.train()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        assert not torch.equal(model(tokens()), model(tokens()))
        dropped = torch.stack([model.stack.blocks[0]._drop(torch.ones(100)) for _ in range(200)])
    assert dropped.mean().item() == pytest.approx(1, abs=0.02)
    assert (dropped == 0).double().mean().item() == pytest.approx(0.4, abs=0.02)


@pytest.mark.parametrize("family", ["isoloss", "encoder", "encoder-decoder"])
def test_computing_activations_again_gives_the_same_gradients(family: str) -> None:
    gradients = []
    for again in (False, True):
        model = restless(family=family).train()
        model.checkpoint_activations(again)
        inputs = [tokens(2)] * (2 if family == "encoder-decoder" else 1)
        model(*inputs).square().mean().backward()
        gradients.append([p.grad for p in model.parameters()])
    for kept, computed in zip(*gradients, strict=True):
        assert torch.equal(kept, computed)


def test_initial_values_have_the_spread_of_their_scheme() -> None:
    def spread(scheme: str, name: str) -> float:
        config = config_for_width(
            128, vocab_size=500, context_length=8, initialisation=scheme, n_layer=2
        )
        return build_model(config).get_parameter(name).std().item()

    out, up = "stack.blocks.0.attention.out.weight", "stack.blocks.0.feed_forward.up.weight"
    near = {"rel": 0.03}
    assert spread("zero_residual", out) == spread("zero_residual", "head.weight") == 0
    assert spread("zero_residual", up) == pytest.approx(128**-0.5, **near)
    assert spread("fan_in", out) == pytest.approx(128**-0.5, **near)
    assert spread("fan_in", "head.weight") == pytest.approx(1 / 128, **near)
    assert spread("normal", out) == pytest.approx(0.02, **near)
    assert spread("gpt2", out) == pytest.approx(0.02 / 2, **near)
    assert spread("gpt2", up) == pytest.approx(0.02, **near)
    assert spread("xavier", up) == pytest.approx((2 / (128 + 512)) ** 0.5, **near)
    assert spread("xavier", "embedding.weight") == pytest.approx(128**-0.5, **near)
    for scheme in ("zero_residual", "fan_in", "normal", "gpt2", "xavier"):
        assert spread(scheme, "stack.blocks.0.attention.q_scale") == 0


def test_positions_within_segments_begin_anew() -> None:
    segments = torch.tensor([[0, 0, 1, 1, 1, 2], [1, 1, 1, 1, 0, 0]])
    assert segment_positions(segments).tolist() == [[0, 1, 0, 1, 2, 0], [0, 1, 2, 3, 0, 1]]


def test_every_kind_is_built_from_its_config() -> None:
    for kind, expected in (("decoder", Decoder), ("encoder", Encoder)):
        config = TransformerConfig(
            vocab_size=VOCAB, context_length=8, d_model=16, n_layer=1, n_head=1, d_ff=8, kind=kind
        )
        assert type(build_model(config)) is expected
