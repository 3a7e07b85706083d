"""Mistakes in the use of the classic encoder-decoder: what is refused, and in which words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from isoloss.errors import UsageError
from isoloss.models.transformer import Transformer

N, S, T, E = 2, 5, 4, 8
SHAPE: dict[str, Any] = {
    "d_model": E,
    "nhead": 2,
    "num_encoder_layers": 2,
    "num_decoder_layers": 2,
    "dim_feedforward": 12,
}
CAUSAL = torch.ones(T, T, dtype=torch.bool).triu(1)
SRC_MASK = torch.ones(S, S, dtype=torch.bool).triu(1)
PADDED = {name: torch.zeros(N, S, dtype=torch.bool) for name in ("src", "memory")}


def sequences() -> tuple[Tensor, Tensor]:
    return torch.zeros(S, N, E), torch.zeros(T, N, E)


def plain() -> Any:
    return Transformer(**SHAPE, seed=1).to_torch()


Call = Callable[[Transformer, Tensor, Tensor], object]
BAD_CALLS: dict[str, tuple[Call, str]] = {
    "width": (lambda m, s, t: m(s[..., :6], t), r"src: .*d_model=8, found the shape \(5, 2, 6\)"),
    "target width": (lambda m, s, t: m(s, t[..., :6]), r"tgt: .*d_model=8"),
    "tokens": (lambda m, s, t: m(s.long(), t), r"src: expected floating .* found torch.int64"),
    "dimensions": (lambda m, s, t: m(s[None], t), r"src: .*\(1, 5, 2, 8\)"),
    "one unbatched": (lambda m, s, t: m(s, t[:, 0]), "both with a batch or both without"),
    "batches": (
        lambda m, s, t: m(s, t[:, :1]),
        "src and tgt: expected equal batches, found 2 and 1",
    ),
    "memory batch": (
        lambda m, s, t: m.decode(t, s[:, :1]),
        "memory and tgt: expected equal batches",
    ),
    "src_mask": (
        lambda m, s, t: m(s, t, CAUSAL),
        r"src_mask: .*\(5, 5\).*\(4, 5, 5\), found \(4, 4\)",
    ),
    "tgt_mask": (
        lambda m, s, t: m(s, t, None, SRC_MASK),
        r"tgt_mask: .*\(4, 4\), .*found \(5, 5\)",
    ),
    "memory_mask": (
        lambda m, s, t: m(s, t, memory_mask=torch.zeros(S, T)),
        r"memory_mask: .*\(4, 5\), .*found \(5, 4\)",
    ),
    "src_padding_mask": (
        lambda m, s, t: m(s, t, src_padding_mask=PADDED["src"].T),
        r"src_padding_mask: .*\(batch, keys\) = \(2, 5\), found \(5, 2\)",
    ),
    "tgt_padding_mask": (
        lambda m, s, t: m(s, t, tgt_padding_mask=PADDED["src"]),
        r"tgt_padding_mask: .*\(2, 4\), found \(2, 5\)",
    ),
    "memory_key_padding_mask": (
        lambda m, s, t: m(s[:, 0], t[:, 0], memory_key_padding_mask=PADDED["memory"]),
        r"memory_key_padding_mask: .*\(keys,\) = \(5,\), found \(2, 5\)",
    ),
    "mask type": (
        lambda m, s, t: m(s, t, tgt_mask=CAUSAL.long()),
        "tgt_mask: expected a boolean mask .* found torch.int64",
    ),
    "padding type": (
        lambda m, s, t: m(s, t, src_padding_mask=PADDED["src"].int()),
        "src_padding_mask: expected a boolean mask .* found torch.int32",
    ),
}


@pytest.mark.parametrize("name", BAD_CALLS)
def test_inputs_and_masks_that_do_not_fit_are_refused(name: str) -> None:
    call, message = BAD_CALLS[name]
    src, tgt = sequences()
    with pytest.raises(UsageError, match=message):
        call(Transformer(**SHAPE), src, tgt)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nhead": 3}, "nhead=3 does not divide d_model=8"),
        ({"d_model": 0}, "d_model: expected a positive whole number, found 0"),
        ({"dim_feedforward": 2.5}, "dim_feedforward: .* found 2.5"),
        ({"num_decoder_layers": 0}, "num_decoder_layers: .* found 0"),
        ({"dropout": 1.0}, r"dropout: expected a share in \[0, 1\), found 1.0"),
        ({"layer_norm_eps": -1.0}, "layer_norm_eps: expected 0 or more"),
        ({"activation": "gleu"}, "activation: expected 'relu' or 'gelu', found 'gleu'"),
    ],
)
def test_impossible_settings_are_refused(change: dict, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Transformer(**(SHAPE | change))


def test_the_hint_names_heads_that_divide() -> None:
    with pytest.raises(UsageError) as caught:
        Transformer(512, 7, 6, 6, 2048)
    assert caught.value.hint == "Heads share the width equally. Take one of [1, 2, 4, 8] heads."


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nhead": 4}, "expected nhead=4, found nhead=2"),
        ({"num_encoder_layers": 3}, "num_encoder_layers=3"),
        ({"dim_feedforward": 16}, "dim_feedforward=16"),
        ({"norm_first": True}, "norm_first=True, found norm_first=False"),
        ({"activation": "gelu"}, "activation='gelu', found activation='relu'"),
        ({"layer_norm_eps": 1e-6}, "layer_norm_eps=1e-06"),
        ({"bias": False}, "bias=False, found bias=True"),
    ],
)
def test_weights_of_another_model_are_refused(change: dict, message: str) -> None:
    model = Transformer(**(SHAPE | change))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    with pytest.raises(UsageError, match=message):
        model.load_torch(plain())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_custom_parts_are_refused() -> None:
    theirs = plain()
    theirs.encoder.norm = None
    with pytest.raises(UsageError, match=r"other parameters than the plain one: encoder.norm"):
        Transformer(**SHAPE).load_torch(theirs)
    theirs.decoder = nn.Identity()
    with pytest.raises(UsageError, match="made of its own layers"):
        Transformer(**SHAPE).load_torch(theirs)
