"""Model configs and exact counts, without PyTorch."""

from isoloss.architecture.config import HEAD_DIM, TransformerConfig
from isoloss.architecture.counts import (
    FLOPS_CONVENTIONS,
    FlopsConvention,
    ParameterCounts,
    count_parameters,
    forward_flops,
    forward_flops_per_token,
    training_flops,
)
from isoloss.architecture.families import (
    FAMILIES,
    config_for_width,
    family_options,
    feed_forward_width,
    options_from_text,
)
from isoloss.architecture.preset_catalogue import Preset, preset, preset_aliases, presets

__all__ = [
    "FAMILIES",
    "FLOPS_CONVENTIONS",
    "HEAD_DIM",
    "FlopsConvention",
    "ParameterCounts",
    "Preset",
    "TransformerConfig",
    "config_for_width",
    "count_parameters",
    "family_options",
    "feed_forward_width",
    "forward_flops",
    "forward_flops_per_token",
    "options_from_text",
    "preset",
    "preset_aliases",
    "presets",
    "training_flops",
]
