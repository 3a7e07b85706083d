"""Configs of ours as `config.json` of Hugging Face: pure data, neither PyTorch nor transformers.

Weights are converted in `isoloss.models.huggingface`, which builds on these tables; plans, which
have no weights, are exported from them alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from isoloss.architecture.config import TransformerConfig
from isoloss.architecture.counts import ParameterCounts, count_parameters
from isoloss.errors import UsageError

HubValues = dict[str, Any]
"""The content of a `config.json`."""

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_tanh": "gelu_pytorch_tanh",
    "relu": "relu",
    "relu2": "relu2",
    "silu": "silu",
}
"""Our names of plain activations → theirs."""
RMSNORM_EPS = 1.1920928955078125e-07
"""What PyTorch adds in float32 where a config of ours names nothing (`torch.finfo`)."""
LAYERNORM_EPS = 1e-5
TOKEN_TYPES = 2
"""Token types of BERT; ours has none."""
BART_OFFSET = 2
"""Rows of BART's tables of positions that no position uses."""

Needs = Mapping[str, tuple[Any, ...]]
_LLAMA_CLASSES = {
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
}
_PLAIN_HEAD: Needs = {"head_bias": (False,), "head_transform": (False,), "n_expert": (0,)}
_LLAMA: Needs = {
    "kind": ("decoder",),
    "norm": ("rmsnorm",),
    "norm_position": ("pre",),
    "embedding_norm": (False,),
    "positions": ("rotary",),
    "activation": ("swiglu",),
    **_PLAIN_HEAD,
}
CLASSIC_NEEDS: Needs = {
    "norm": ("layernorm",),
    "positions": ("learned",),
    "activation": tuple(ACTIVATIONS),
    "qk_norm": ("none",),
    "window": (None,),
    "n_expert": (0,),
}


@dataclass(frozen=True, kw_only=True)
class HubFamily:
    """A family of Hugging Face, and what of a config of ours it can say.

    Attributes:
        name: ours for it.
        auto_class: the class of `transformers` that loads it.
        needs: option → the values that the family has, of those it does not have all of.
        values: our config as theirs.
        obstacles: what else is in the way, in words.
        always: options that theirs has in any case (scales of norms, biases).
        more: weights that theirs has and ours has not, by name.
    """

    name: str
    auto_class: str
    needs: Needs
    values: Callable[[TransformerConfig], HubValues]
    obstacles: Callable[[TransformerConfig], list[str]] = field(default=lambda _: [])
    always: Mapping[str, Any] = field(default_factory=dict[str, Any])
    more: Callable[[TransformerConfig], dict[str, int]] = field(default=lambda _: {})

    def in_the_way(self, config: TransformerConfig) -> list[str]:
        """Options of a config that this family has no counterpart for, with their values."""
        options = [
            f"{name}={getattr(config, name)!r}"
            for name, allowed in self.needs.items()
            if getattr(config, name) not in allowed
        ]
        return options + ([] if options else self.obstacles(config))

    def counted(self, config: TransformerConfig) -> tuple[ParameterCounts, dict[str, int]]:
        """What their model has of the weights that ours could have, and what it has beyond them."""
        return count_parameters(replace(config, **self.always)), self.more(config)


def hub_family(config: TransformerConfig) -> HubFamily:
    """The family of Hugging Face that a config of ours fits exactly.

    Raises:
        UsageError: there is none; the options in the way of the nearest one are named.

    >>> from isoloss.architecture.families import config_for_width
    >>> config = config_for_width(64, vocab_size=512, context_length=64, family="llama")
    >>> hub_family(config).values(config)["architectures"]
    ['LlamaForCausalLM']
    """
    ways = {name: family.in_the_way(config) for name, family in HUB_TABLES.items()}
    for name, obstacles in ways.items():
        if not obstacles:
            return HUB_TABLES[name]

    def distance(name: str) -> tuple[bool, int]:
        return config.kind not in HUB_TABLES[name].needs["kind"], len(ways[name])

    nearest = min(ways, key=distance)
    raise UsageError(
        f"no model of Hugging Face computes what this {config.kind.replace('_', '-')} does:"
        f" {nearest}, the nearest, does not have {', '.join(ways[nearest])}",
        hint=f"Families that can be exported: {', '.join(HUB_TABLES)}.",
    )


def rotary_values(config: TransformerConfig) -> HubValues:
    """Plain rotary positions, for transformers 4 and 5."""
    theta = config.rotary_base
    return {
        "rope_theta": theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": theta},
    }


def llama_values(config: TransformerConfig) -> HubValues:
    """A config as that of Llama, Mistral, Qwen2 or Qwen3."""
    kind = _llama_type(config)
    values: HubValues = {
        "model_type": kind,
        "architectures": [_LLAMA_CLASSES[kind]],
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": RMSNORM_EPS if config.norm_eps is None else config.norm_eps,
        "tie_word_embeddings": config.tied_embeddings,
        **rotary_values(config),
    }
    if kind == "llama":
        values |= dict.fromkeys(("attention_bias", "mlp_bias"), config.biases == "all")
    if kind == "mistral":
        values["sliding_window"] = config.window
    if kind.startswith("qwen"):
        # Layers from `max_window_layers` on have the window: here all or none.
        values |= {
            "use_sliding_window": config.window is not None,
            "sliding_window": config.window,
            "max_window_layers": 0 if config.window else config.n_layer,
        }
    return values


def _llama_type(config: TransformerConfig) -> str:
    if config.qk_norm == "weighted":
        return "qwen3"
    if config.biases == "qkv":
        return "qwen2"
    return "mistral" if config.window else "llama"


def _llama_obstacles(config: TransformerConfig) -> list[str]:
    uneven = config.d_model % config.n_head != 0
    if config.biases == "all" and config.window:
        return [f"window={config.window!r} with biases='all'"]
    if config.biases == "qkv" and config.head_width is not None:
        return [f"head_width={config.head_width!r} with biases='qkv'"]
    if uneven:
        return [f"n_head={config.n_head} that does not divide d_model={config.d_model}"]
    return []


def gpt2_values(config: TransformerConfig) -> HubValues:
    """A config as that of GPT-2."""
    return {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "vocab_size": config.vocab_size,
        "n_positions": config.context_length,
        "n_embd": config.d_model,
        "n_layer": config.n_layer,
        "n_head": config.n_head,
        "n_inner": config.d_ff,
        "activation_function": ACTIVATIONS[config.activation],
        "resid_pdrop": config.dropout,
        "embd_pdrop": config.dropout,
        "attn_pdrop": config.dropout,
        "layer_norm_epsilon": LAYERNORM_EPS if config.norm_eps is None else config.norm_eps,
        "tie_word_embeddings": config.tied_embeddings,
    }


def nanochat_values(config: TransformerConfig, head_width: int | None = None) -> HubValues:
    """A config as that of NanoChat; heads may be wider there (see its conversion)."""
    return {
        "model_type": "nanochat",
        "architectures": ["NanoChatForCausalLM"],
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "num_key_value_heads": config.kv_heads,
        "head_dim": head_width or config.head_dim,
        "hidden_act": ACTIVATIONS[config.activation],
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": RMSNORM_EPS if config.norm_eps is None else config.norm_eps,
        "final_logit_softcapping": None,
        "attention_bias": False,
        "tie_word_embeddings": config.tied_embeddings,
        **rotary_values(config),
    }


def bert_values(config: TransformerConfig) -> HubValues:
    """A config as that of BERT."""
    return {
        "model_type": "bert",
        "architectures": ["BertForMaskedLM"],
        "vocab_size": config.vocab_size,
        "hidden_size": config.d_model,
        "intermediate_size": config.d_ff,
        "num_hidden_layers": config.n_layer,
        "num_attention_heads": config.n_head,
        "hidden_act": ACTIVATIONS[config.activation],
        "hidden_dropout_prob": config.dropout,
        "attention_probs_dropout_prob": config.dropout,
        "max_position_embeddings": config.context_length,
        "type_vocab_size": TOKEN_TYPES,
        "layer_norm_eps": LAYERNORM_EPS if config.norm_eps is None else config.norm_eps,
        "tie_word_embeddings": config.tied_embeddings,
    }


def _bert_more(config: TransformerConfig) -> dict[str, int]:
    more = {"token types": TOKEN_TYPES * config.d_model}
    if not config.tied_embeddings:  # transformers keeps a second bias beside that of the head
        more["second bias of the head"] = config.vocab_size
    return more


def bart_values(config: TransformerConfig) -> HubValues:
    """A config as that of BART; one table length serves both sides."""
    return {
        "model_type": "bart",
        "architectures": ["BartForConditionalGeneration"],
        "vocab_size": config.vocab_size,
        "d_model": config.d_model,
        "encoder_layers": config.n_encoder_layer,
        "decoder_layers": config.n_layer,
        "encoder_attention_heads": config.n_head,
        "decoder_attention_heads": config.n_head,
        "encoder_ffn_dim": config.d_ff,
        "decoder_ffn_dim": config.d_ff,
        "activation_function": ACTIVATIONS[config.activation],
        "dropout": config.dropout,
        "attention_dropout": config.dropout,
        "activation_dropout": 0.0,
        "max_position_embeddings": max(config.context_length, config.longest_source),
        "scale_embedding": False,
        "is_encoder_decoder": True,
        "tie_word_embeddings": config.tied_embeddings,
        "decoder_start_token_id": None,
        "forced_eos_token_id": None,
    }


def _bart_more(config: TransformerConfig) -> dict[str, int]:
    longest = max(config.context_length, config.longest_source)
    rows = 2 * (longest + BART_OFFSET) - config.context_length - config.longest_source
    more = {"rows of positions that no position uses": rows * config.d_model}
    if not config.tied_embeddings:  # then encoder and decoder have a table each
        more["embeddings of encoder and decoder"] = 2 * config.vocab_size * config.d_model
    return more


def uneven_heads(config: TransformerConfig) -> list[str]:
    """Heads that the classic families do not have: shared ones, or of a width of their own."""
    found: list[str] = []
    if config.kv_heads != config.n_head:
        found.append(f"n_kv_head={config.n_kv_head!r}")
    if config.head_dim * config.n_head != config.d_model:
        found.append(f"head_width={config.head_width!r}")
    return found


_FULL_NORMS = {"norm_weights": True, "norm_bias": True, "biases": "all"}
HUB_TABLES: dict[str, HubFamily] = {
    family.name: family
    for family in (
        HubFamily(
            name="llama",
            auto_class="AutoModelForCausalLM",
            needs={**_LLAMA, "qk_norm": ("none",)},
            values=llama_values,
            obstacles=_llama_obstacles,
            always={"norm_weights": True},
        ),
        HubFamily(
            name="qwen3",
            auto_class="AutoModelForCausalLM",
            needs={**_LLAMA, "qk_norm": ("weighted",), "biases": ("none",)},
            values=llama_values,
            always={"norm_weights": True},
        ),
        HubFamily(
            name="gpt2",
            auto_class="AutoModelForCausalLM",
            needs={
                **CLASSIC_NEEDS,
                "kind": ("decoder",),
                "norm_position": ("pre",),
                "embedding_norm": (False,),
                "head_bias": (False,),
                "head_transform": (False,),
            },
            values=gpt2_values,
            obstacles=uneven_heads,
            always=_FULL_NORMS,
        ),
        HubFamily(
            name="nanochat",
            auto_class="AutoModelForCausalLM",
            needs={
                "kind": ("decoder",),
                "norm": ("rmsnorm",),
                "norm_position": ("pre",),
                "norm_weights": (False,),
                "embedding_norm": (True,),
                "positions": ("rotary",),
                "activation": tuple(ACTIVATIONS),
                "qk_norm": ("scaled",),
                "window": (None,),
                "biases": ("none",),
                **_PLAIN_HEAD,
            },
            values=nanochat_values,
            always={"qk_norm": "none"},
        ),
        HubFamily(
            name="bert",
            auto_class="AutoModelForMaskedLM",
            needs={
                **CLASSIC_NEEDS,
                "kind": ("encoder",),
                "norm_position": ("post",),
                "embedding_norm": (True,),
                "head_transform": (True,),
            },
            values=bert_values,
            obstacles=uneven_heads,
            always={**_FULL_NORMS, "head_bias": True},
            more=_bert_more,
        ),
        HubFamily(
            name="bart",
            auto_class="AutoModelForSeq2SeqLM",
            needs={
                **CLASSIC_NEEDS,
                "kind": ("encoder_decoder",),
                "norm_position": ("post",),
                "norm_eps": (None, LAYERNORM_EPS),
                "embedding_norm": (True,),
                "head_transform": (False,),
            },
            values=bart_values,
            obstacles=uneven_heads,
            always={**_FULL_NORMS, "head_bias": False},
            more=_bart_more,
        ),
    )
}
"""Families that can be exported, by name."""
