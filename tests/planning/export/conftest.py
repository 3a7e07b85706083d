"""Plans for the export, without the search that finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import pytest
from hypothesis import strategies as st

from isoloss.architecture import TransformerConfig, config_for_width, family_options
from isoloss.errors import UsageError
from isoloss.planning import PlanRecipe
from isoloss.planning.export import Job, job_of


@dataclass(frozen=True)
class Figure:
    value: float


@dataclass(frozen=True)
class SmallPlan:
    """What the export reads of a plan."""

    architecture: TransformerConfig
    n: Figure
    d: Figure
    n_convention: str = "params_total"
    source: str = "a test"
    flops: float = 1e18
    hardware: Mapping[str, Any] | None = None
    recipe: PlanRecipe | None = None


def small_plan(config: TransformerConfig, *, tokens: float = 1e7, **rest: Any) -> SmallPlan:
    n = float(12 * config.n_layer * config.d_model**2)
    return SmallPlan(config, Figure(n), Figure(tokens), **rest)


def layout(*, rows: int = 1, **degrees: int) -> dict[str, Any]:
    """The part of a plan's hardware that the export reads."""
    return {"layout": {"fits": True, "degrees": degrees, "rows": rows}}


@pytest.fixture
def make_plan() -> Callable[..., SmallPlan]:
    """A plan of a shape, by family and width."""

    def make(
        family: str = "llama",
        width: int = 64,
        hardware: Any = None,
        tokens: float = 1e7,
        **options: Any,
    ) -> SmallPlan:
        sizes = {"vocab_size": 512, "context_length": 64, **options}
        config = config_for_width(64, family=family, **sizes)
        return small_plan(config, hardware=hardware, tokens=tokens)

    return make


@pytest.fixture
def make_job(make_plan: Callable[..., SmallPlan]) -> Callable[..., Job]:
    """The run of such a plan."""
    return lambda *words, **options: job_of(make_plan(*words, **options))


def tried(make: Callable[[], Any]) -> Any:
    """What a function gives, or the refusal that it raises."""
    try:
        return make()
    except UsageError as refusal:
        return refusal


def names_an_option(refusal: UsageError) -> bool:
    """Whether a refusal names an option of a shape."""
    return any(f"{field.name}=" in refusal.message for field in fields(TransformerConfig))


CHANGES: dict[str, tuple[Any, ...]] = {
    "kind": ("encoder",),
    "norm": ("layernorm", "rmsnorm"),
    "norm_position": ("post", "pre"),
    "norm_weights": (False,),
    "norm_bias": (False, True),
    "norm_eps": (None, 1e-5),
    "embedding_norm": (True, False),
    "positions": ("learned", "rotary", "alibi", "none", "sinusoidal"),
    "rotary_base": (500_000.0, 500.5),
    "activation": ("swiglu", "relu2", "gelu", "gelu_tanh", "geglu", "silu", "relu"),
    "qk_norm": ("none", "weighted", "scaled"),
    "window": (3,),
    "biases": ("none", "qkv", "all"),
    "tied_embeddings": (True, False),
    "head_bias": (True,),
    "head_transform": (True,),
    "dropout": (0.1,),
    "n_expert": (3,),
    "head_width": (6,),
}


@st.composite
def configs(draw: st.DrawFn) -> TransformerConfig:
    """A family that some trainer has, with no, one or two options changed."""
    family = draw(st.sampled_from(["llama", "llama", "qwen3", "gpt2", "isoloss", "bert", "bart"]))
    kv = draw(st.integers(1, 3))
    shared = 1 if family in ("gpt2", "bert", "bart") else draw(st.integers(1, 3))
    heads = kv * shared
    options: dict[str, Any] = {
        **family_options(family),
        "vocab_size": draw(st.integers(1, 300)),
        "context_length": draw(st.integers(2, 9)),
        "d_model": heads * 2 * draw(st.integers(1, 4)),
        "n_layer": draw(st.integers(1, 3)),
        "n_head": heads,
        "n_kv_head": kv,
        "d_ff": draw(st.integers(1, 100)),
        "n_encoder_layer": 2 if family == "bart" else 0,
        "source_length": 7 if family == "bart" and draw(st.booleans()) else None,
    }
    if shared == 1:
        options["n_kv_head"] = heads
    for name in draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=2)):
        changed = {**options, name: draw(st.sampled_from(CHANGES[name]))}
        if not isinstance(tried(lambda given=changed: TransformerConfig(**given)), UsageError):
            options = changed
    return TransformerConfig(**options)
