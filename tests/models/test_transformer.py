"""The classic encoder-decoder against `torch.nn.Transformer` and the formulas by hand."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isoloss.models._classic_torch import torch_key
from isoloss.models.transformer import Transformer

N, S, T, E, HEADS = 2, 5, 4, 8, 2
SHAPE = (E, HEADS, 1, 2, 12)
SETTINGS = [
    pytest.param(
        {"batch_first": b, "norm_first": n, "activation": a, "bias": s}, id=f"{b}-{n}-{a}-{s}"
    )
    for b, n, a, s in itertools.product((False, True), (False, True), ("relu", "gelu"), (1, 0))
]


def numbers(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def reference(settings: dict[str, Any], dropout: float = 0.0) -> nn.Transformer:
    """PyTorch's module, built without ours, each parameter moved away from its start."""
    eps, bias = settings.get("layer_norm_eps", 1e-5), settings.get("bias", True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(E, HEADS, 12, dropout, **settings)
        norm = nn.LayerNorm(E, eps=eps, bias=bias)
        encoder = nn.TransformerEncoder(layer, 1, norm, enable_nested_tensor=False)
        theirs = nn.Transformer(*SHAPE, dropout, custom_encoder=encoder, **settings)
    with torch.no_grad():
        for index, parameter in enumerate(theirs.parameters()):
            parameter.add_(0.2 * numbers(*parameter.shape, seed=index))
    return theirs


def pair(dropout: float = 0.0, **settings: Any) -> tuple[Transformer, nn.Transformer]:
    settings = {name: bool(v) if name == "bias" else v for name, v in settings.items()}
    theirs = reference(settings, dropout)
    ours = Transformer(*SHAPE, dropout, **settings)
    ours.load_torch(theirs)
    return ours, theirs


def sequences(batch_first: bool = False, batch: int = N) -> tuple[Tensor, Tensor]:
    shapes = [(batch, S, E), (batch, T, E)] if batch_first else [(S, batch, E), (T, batch, E)]
    src, tgt = (numbers(*shape, seed=50 + i) for i, shape in enumerate(shapes))
    return src.requires_grad_(), tgt.requires_grad_()


def results(
    model: nn.Module, src: Tensor, tgt: Tensor, masks: dict[str, Any], named: bool = False
) -> dict[str, Tensor]:
    """The output and the gradients of a weighted sum of it, by PyTorch's names."""
    output = model(src, tgt, **masks)
    loss = (output * numbers(*output.shape, seed=99)).sum()
    parameters = dict(model.named_parameters())
    gradients = torch.autograd.grad(loss, [src, tgt, *parameters.values()])
    names = [torch_key(name) if named else name for name in parameters]
    return {"output": output} | dict(zip(["src", "tgt", *names], gradients, strict=True))


def assert_same(
    ours: dict[str, Tensor], theirs: dict[str, Tensor], case: object, within: float = 1e-5
) -> None:
    assert ours.keys() == theirs.keys()
    for name in theirs:
        gap, scale = (x.abs().max().item() for x in (ours[name] - theirs[name], theirs[name]))
        assert gap <= within * max(1.0, scale), (case, name, gap, scale)  # nor is nan within


def floating(mask: Tensor) -> Tensor:
    return torch.zeros(mask.shape).masked_fill(mask, -math.inf)


CAUSAL = torch.ones(T, T, dtype=torch.bool).triu(1)
SRC_MASK = (numbers(S, S, seed=1) > 0.5).fill_diagonal_(False)
BIAS = numbers(S, S, seed=2)
PADDED = {
    "src": torch.tensor([[0, 0, 0, 0, 0], [0, 0, 0, 1, 1]]).bool(),
    "tgt": torch.tensor([[0, 0, 0, 1], [0, 0, 0, 0]]).bool(),
    "memory": torch.tensor([[1, 0, 0, 0, 0], [0, 0, 1, 0, 1]]).bool(),
}
MASKS = list(
    itertools.product(
        (None, SRC_MASK, BIAS), (None, CAUSAL, floating(CAUSAL)), *[(False, True)] * 3
    )
)


def both(src_mask: Any, tgt_mask: Any, *on: Any) -> tuple[dict, dict]:
    """One combination for us, and for PyTorch, which wants padding of the kind of the mask."""
    ours: dict[str, Any] = {"src_mask": src_mask, "tgt_mask": tgt_mask}
    theirs = dict(ours)
    for part, mask, use in zip(PADDED, (src_mask, tgt_mask, None), on, strict=True):
        if use:
            padding = PADDED[part]
            ours["memory_key_padding_mask" if part == "memory" else f"{part}_padding_mask"] = (
                padding
            )
            matching = padding if mask is None or mask.dtype == torch.bool else floating(padding)
            theirs[f"{part}_key_padding_mask"] = matching
    return ours, theirs


@pytest.mark.parametrize("settings", SETTINGS)
def test_outputs_and_gradients_agree_with_pytorch_under_all_masks(settings: dict) -> None:
    ours, theirs = pair(**settings)
    src, tgt = sequences(settings["batch_first"])
    seen = []
    for masks in MASKS:
        our_masks, their_masks = both(*masks)
        got = results(ours, src, tgt, our_masks, named=True)
        assert_same(got, results(theirs, src, tgt, their_masks), masks)
        seen.append(got["output"])
    assert len(seen) == 72
    # Every mask matters; the two causal ones say the same.
    assert len({tuple(x.flatten().tolist()) for x in seen}) == 3 * 2 * 8


@pytest.mark.parametrize("kind", ["bool", "float"])
def test_memory_mask_masks_per_head_and_floating_padding(kind: str) -> None:
    ours, theirs = pair()
    src, tgt = sequences()
    forbidden = {
        "src_mask": numbers(N * HEADS, S, S, seed=3) > 0.8,
        "tgt_mask": numbers(N * HEADS, T, T, seed=4) > 0.8,
        "memory_mask": numbers(T, S, seed=5) > 0.8,
        "src_padding_mask": PADDED["src"],
    }
    masks = {n: m if kind == "bool" else floating(m) for n, m in forbidden.items()}
    for memory_mask in (masks["memory_mask"], masks["memory_mask"].expand(N * HEADS, T, S)):
        masks["memory_mask"] = memory_mask
        renamed = {n.replace("_padding", "_key_padding"): m for n, m in masks.items()}
        got = results(ours, src, tgt, masks, named=True)
        assert_same(got, results(theirs, src, tgt, renamed), kind)


def test_all_steps_are_the_same_in_double_precision() -> None:
    settings = {"batch_first": True, "activation": "gelu", "layer_norm_eps": 0.01}
    ours, theirs = (model.double() for model in pair(**settings))
    src, tgt = (x.detach().double().requires_grad_() for x in sequences(True))
    for masks in MASKS:
        our_masks, their_masks = (
            {
                name: m.double() if m is not None and m.is_floating_point() else m
                for name, m in x.items()
            }
            for x in both(*masks)
        )
        got = results(ours, src, tgt, our_masks, named=True)
        assert_same(got, results(theirs, src, tgt, their_masks), masks, within=1e-12)


def test_unbatched_inputs_agree_with_pytorch_and_with_a_batch_of_one() -> None:
    ours, theirs = pair()
    src, tgt = (x.detach()[:, 1].requires_grad_() for x in sequences())
    padding = {"src": PADDED["src"][1], "memory": PADDED["memory"][1]}
    masks = {
        "tgt_mask": CAUSAL,
        "src_padding_mask": padding["src"],
        "memory_key_padding_mask": padding["memory"],
    }
    renamed = {
        "tgt_mask": CAUSAL,
        "src_key_padding_mask": padding["src"],
        "memory_key_padding_mask": padding["memory"],
    }
    got = results(ours, src, tgt, masks, named=True)
    assert_same(got, results(theirs, src, tgt, renamed), "unbatched")
    batched = {n: m if n == "tgt_mask" else m[None] for n, m in masks.items()}
    assert torch.allclose(ours(src[:, None], tgt[:, None], **batched)[:, 0], got["output"])


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("where", ["src_mask", "tgt_mask", "src", "tgt", "memory"])
def test_rows_that_may_attend_to_nothing_are_as_pytorch_trains_them(where: str, bias: bool) -> None:
    ours, theirs = pair(bias=bias)
    src, tgt = sequences()
    if where.endswith("_mask"):
        size = S if where == "src_mask" else T
        mask = torch.zeros(size, size, dtype=torch.bool)
        mask[0] = True
        our_masks = their_masks = {where: mask}
    else:
        padding = torch.zeros_like(PADDED[where])
        padding[1] = True
        name = "memory_key_padding_mask" if where == "memory" else f"{where}_padding_mask"
        our_masks, their_masks = {name: padding}, {f"{where}_key_padding_mask": padding}
    got = results(ours, src, tgt, our_masks, named=True)
    assert_same(got, results(theirs, src, tgt, their_masks), where)
    with torch.no_grad():  # where PyTorch's fast path may give not-a-number
        assert torch.equal(ours.eval()(src, tgt, **our_masks), got["output"])


@pytest.mark.parametrize("bias", [True, False])
def test_attention_to_nothing_gives_the_output_bias(bias: bool) -> None:
    model, _ = pair(norm_first=True, bias=bias)
    part: Any = model.encoder.layers[0]
    attention = part.self_attention.branch
    x = numbers(3, 1, E, seed=0)
    nothing = torch.zeros(3, 3, dtype=torch.bool)
    nothing[0] = True
    mask = model._merged(
        (x, x),
        ("m", nothing),
        ("p", None),
    )
    row = attention(x, None, mask)[0, 0]
    assert torch.equal(row, attention.out.bias if bias else torch.zeros(E))


def test_attention_equals_the_formula_by_hand() -> None:
    model, _ = pair()
    part: Any = model.decoder.layers[1]
    attention, size = part.cross_attention.branch, E // HEADS
    x_TD, memory_SD = numbers(T, E, seed=1), numbers(S, E, seed=2)
    added = numbers(T, S, seed=3)
    weights = attention.qkv.weight.split(E)
    q, k, v = (
        y @ w.T + b
        for y, w, b in zip(
            (x_TD, memory_SD, memory_SD), weights, attention.qkv.bias.split(E), strict=True
        )
    )
    heads = []
    for h in range(HEADS):
        at = slice(h * size, (h + 1) * size)
        scores = torch.exp(q[:, at] @ k[:, at].T / math.sqrt(size) + added)
        heads.append(scores / scores.sum(1, keepdim=True) @ v[:, at])
    expected = torch.cat(heads, dim=1) @ attention.out.weight.T + attention.out.bias
    mask = model._merged((x_TD, memory_SD), ("m", added), ("p", None))
    got = attention(x_TD[:, None], memory_SD[:, None], mask)[:, 0]
    torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padded", [False, True])
def test_is_causal_is_the_causal_mask_beside_the_others(padded: bool) -> None:
    model, _ = pair(batch_first=True)
    src, tgt = sequences(True)
    padding = {"src_padding_mask": PADDED["src"]} if padded else {}
    square = Transformer.generate_square_subsequent_mask
    asked = model(src, tgt, src_is_causal=True, tgt_is_causal=True, **padding)
    given = model(src, tgt, square(S), square(T), **padding)
    torch.testing.assert_close(asked, given, rtol=1e-5, atol=1e-5)
    kept = model(src, tgt, tgt_mask=torch.eye(T).bool().logical_not(), tgt_is_causal=True)
    alone = model(src, tgt, tgt_mask=torch.eye(T).bool().logical_not())
    assert torch.allclose(kept, alone, atol=1e-6)  # PyTorch would drop the mask for the hint


def test_square_subsequent_mask_is_that_of_pytorch() -> None:
    ours = Transformer.generate_square_subsequent_mask(5, dtype=torch.float64)
    assert torch.equal(ours, nn.Transformer.generate_square_subsequent_mask(5, dtype=torch.float64))


@pytest.mark.parametrize("norm_first", [False, True])
def test_dropout_with_the_same_seed_is_that_of_pytorch(norm_first: bool) -> None:
    ours, theirs = pair(dropout=0.3, norm_first=norm_first)
    src, tgt = sequences()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        got = results(ours, src, tgt, {"tgt_mask": CAUSAL}, named=True)
        torch.manual_seed(7)
        assert_same(got, results(theirs, src, tgt, {"tgt_mask": CAUSAL}), "dropout")
    quiet = ours.eval()(src, tgt, tgt_mask=CAUSAL)
    assert (quiet - got["output"]).abs().max() > 0.1
    torch.testing.assert_close(
        quiet, theirs.eval()(src, tgt, tgt_mask=CAUSAL), rtol=1e-5, atol=1e-5
    )


def test_encode_once_and_decode_is_forward() -> None:
    model, _ = pair()
    src, tgt = sequences()
    memory = model.encode(src, SRC_MASK, PADDED["src"])
    output = model.decode(tgt, memory, CAUSAL, PADDED["tgt"], PADDED["memory"])
    assert torch.equal(output, model(src, tgt, SRC_MASK, CAUSAL, *PADDED.values()))


@pytest.mark.parametrize("settings", SETTINGS)
def test_weights_to_pytorch_and_back(settings: dict) -> None:
    settings = settings | {"bias": bool(settings["bias"])}
    ours = Transformer(*SHAPE, **settings, seed=3)
    state = torch.random.get_rng_state()
    theirs = ours.eval().to_torch()
    assert torch.equal(state, torch.random.get_rng_state())
    assert not theirs.training
    assert ours.train().to_torch().training
    src, tgt = sequences(settings["batch_first"])
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(src, tgt), theirs(src, tgt), rtol=1e-5, atol=1e-5)
    again = Transformer(*SHAPE, **settings, seed=4)
    assert not torch.equal(again.eval()(src, tgt), ours(src, tgt))
    again.load_torch(theirs)
    assert torch.equal(again(src, tgt), ours(src, tgt))
    next(theirs.parameters()).data.zero_()
    assert torch.equal(again(src, tgt), ours(src, tgt))  # a copy, not a view


def test_start_values_are_distributed_as_those_of_pytorch() -> None:
    shape = (64, 4, 1, 1, 96)
    ours = Transformer(*shape, norm_first=True, batch_first=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        theirs = dict(
            nn.Transformer(
                *shape,
                batch_first=True,
                custom_encoder=nn.TransformerEncoder(
                    nn.TransformerEncoderLayer(64, 4, 96),
                    1,
                    nn.LayerNorm(64),
                    enable_nested_tensor=False,
                ),
            ).named_parameters()
        )
    for name, parameter in ours.named_parameters():
        other = theirs.pop(torch_key(name))
        assert parameter.shape == other.shape
        if parameter.std() == 0:
            assert torch.equal(parameter, other), name  # zeros and ones
        else:  # uniform: the largest of n values is near the bound, the spread bound/sqrt(3)
            assert parameter.abs().max().item() == pytest.approx(other.abs().max().item(), rel=0.1)
            assert parameter.std().item() == pytest.approx(other.std().item(), rel=0.2)
            assert abs(parameter.mean() / parameter.std()) < 5 / math.sqrt(parameter.numel())
    assert not theirs


def test_seed_decides_the_weights_whatever_the_global_state() -> None:
    state = torch.random.get_rng_state()
    first = Transformer(*SHAPE, seed=3).state_dict()
    assert torch.equal(state, torch.random.get_rng_state())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        second, other = (Transformer(*SHAPE, seed=seed).state_dict() for seed in (3, 4))
    assert all(torch.equal(first[name], second[name]) for name in first)
    name = "encoder.layers.0.self_attention.branch.qkv.weight"
    assert not torch.equal(first[name], other[name])


def test_shapes_on_meta_need_no_memory() -> None:
    with torch.device("meta"):
        model = Transformer(512, 8, 6, 6, 2048)
        theirs = nn.Transformer(512, 8, 6, 6, 2048, batch_first=True)
    count = sum(p.numel() for p in model.parameters())
    assert count == sum(p.numel() for p in theirs.parameters()) == 44_140_544
