"""The weights of the classic encoder-decoder from and to `torch.nn.Transformer`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.errors import UsageError
from isoloss.models._classic_settings import ClassicSettings

# Not compared: they decide no weight and, at equal weights, no function in evaluation.
_FREE = frozenset({"dropout", "batch_first"})
_ATTENTION = {"qkv.weight": "in_proj_weight", "qkv.bias": "in_proj_bias"}
_FEED_FORWARD = {"up": "linear1", "down": "linear2"}
_NORMS = {
    "encoder": {"self_attention": "norm1", "feed_forward": "norm2"},
    "decoder": {"self_attention": "norm1", "cross_attention": "norm2", "feed_forward": "norm3"},
}


def torch_key(key: str) -> str:
    """The name in `torch.nn.Transformer` of one of our parameters.

    >>> torch_key("decoder.layers.1.cross_attention.branch.qkv.weight")
    'decoder.layers.1.multihead_attn.in_proj_weight'
    """
    stack, kind, *rest = key.split(".")
    if kind == "norm":
        return key
    index, part, inner, *leaf = rest
    layer = f"{stack}.layers.{index}"
    if inner == "norm":
        return f"{layer}.{_NORMS[stack][part]}.{leaf[0]}"
    if part == "feed_forward":
        return f"{layer}.{_FEED_FORWARD[leaf[0]]}.{leaf[1]}"
    attention = "self_attn" if part == "self_attention" else "multihead_attn"
    name = ".".join(leaf)
    return f"{layer}.{attention}.{_ATTENTION.get(name, name.replace('out.', 'out_proj.'))}"


def weights_from_torch(
    module: nn.Transformer, settings: ClassicSettings, keys: list[str]
) -> dict[str, Tensor]:
    """The weights of `module` under our names.

    Raises:
        UsageError: `module` is no plain `nn.Transformer`, or one of other settings.
    """
    theirs = _settings_of(module)
    ours = asdict(settings)
    unlike = [name for name in theirs if name not in _FREE and theirs[name] != ours[name]]
    if unlike:
        found = ", ".join(f"{name}={theirs[name]!r}" for name in unlike)
        expected = ", ".join(f"{name}={ours[name]!r}" for name in unlike)
        raise UsageError(
            f"the torch.nn.Transformer is another model: expected {expected}, found {found}",
            hint="Build the Transformer with the settings of the module it takes weights from.",
        )
    state = module.state_dict()
    wanted = {torch_key(key) for key in keys}
    if wanted != set(state):
        raise UsageError(
            "the torch.nn.Transformer has other parameters than the plain one: "
            f"{', '.join(sorted(wanted ^ set(state))[:3])}, …"
        )
    return {key: state[torch_key(key)] for key in keys}


def torch_module(settings: ClassicSettings, state: dict[str, Tensor]) -> nn.Transformer:
    """A `torch.nn.Transformer` of these settings with these weights (under our names)."""
    s = settings
    shape = (s.d_model, s.nhead, s.dim_feedforward, s.dropout, s.activation, s.layer_norm_eps)
    layout = (s.batch_first, s.norm_first, s.bias)
    sample = next(iter(state.values()))
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(*shape, *layout),
            s.num_encoder_layers,
            nn.LayerNorm(s.d_model, eps=s.layer_norm_eps, bias=s.bias),
            enable_nested_tensor=False,  # nested, it zeroes the memory at padding in evaluation
        )
        module = nn.Transformer(
            s.d_model,
            s.nhead,
            s.num_encoder_layers,
            s.num_decoder_layers,
            s.dim_feedforward,
            s.dropout,
            s.activation,
            encoder,
            None,
            s.layer_norm_eps,
            *layout,
        )
    module = module.to(sample.dtype).to_empty(device=sample.device)
    module.load_state_dict({torch_key(key): value for key, value in state.items()})
    return module


def _settings_of(module: nn.Transformer) -> dict[str, Any]:
    """The settings of a plain `torch.nn.Transformer`, read off its first layers."""
    parts = (getattr(module, "encoder", None), getattr(module, "decoder", None))
    plain = (
        isinstance(module, nn.Transformer)
        and isinstance(parts[0], nn.TransformerEncoder)
        and isinstance(parts[1], nn.TransformerDecoder)
        and all(isinstance(x, nn.TransformerEncoderLayer) for x in parts[0].layers)
        and all(isinstance(x, nn.TransformerDecoderLayer) for x in parts[1].layers)
        and len(parts[0].layers) > 0
    )
    if not plain:
        raise UsageError(
            f"expected a torch.nn.Transformer made of its own layers, found {type(module).__name__}"
        )
    layer: Any = module.encoder.layers[0]
    return {
        "d_model": module.d_model,
        "nhead": layer.self_attn.num_heads,
        "num_encoder_layers": len(module.encoder.layers),
        "num_decoder_layers": len(module.decoder.layers),
        "dim_feedforward": layer.linear1.out_features,
        "activation": _activation_name(layer.activation),
        "norm_first": layer.norm_first,
        "layer_norm_eps": layer.norm1.eps,
        "bias": layer.linear1.bias is not None,
    }


def _activation_name(activation: Any) -> str:
    if activation in (F.relu, torch.relu) or isinstance(activation, nn.ReLU):
        return "relu"
    if activation is F.gelu or (
        isinstance(activation, nn.GELU) and activation.approximate == "none"
    ):
        return "gelu"
    return repr(activation)
