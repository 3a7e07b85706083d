"""Model configs and exact counts, without PyTorch."""

from isoloss.architecture.config import HEAD_DIM, TransformerConfig, config_for_width
from isoloss.architecture.counts import (
    FLOPS_CONVENTIONS,
    FlopsConvention,
    ParameterCounts,
    count_parameters,
    forward_flops_per_token,
    training_flops,
)

__all__ = [
    "FLOPS_CONVENTIONS",
    "HEAD_DIM",
    "FlopsConvention",
    "ParameterCounts",
    "TransformerConfig",
    "config_for_width",
    "count_parameters",
    "forward_flops_per_token",
    "training_flops",
]
