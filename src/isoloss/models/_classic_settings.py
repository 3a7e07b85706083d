"""The arguments of the classic encoder-decoder, checked once, before anything is built."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from isoloss.errors import UsageError

ACTIVATIONS = ("relu", "gelu")
_COUNTS = ("d_model", "nhead", "num_encoder_layers", "num_decoder_layers", "dim_feedforward")


@dataclass(frozen=True, kw_only=True)
class ClassicSettings:
    """What decides the function that a `Transformer` computes, but for its weights.

    Raises:
        UsageError: a size is not a positive whole number, the heads do not divide the width,
            the dropout is outside [0, 1), epsilon is negative, or the activation is unknown.

    >>> ClassicSettings(d_model=8, nhead=2, num_encoder_layers=1, num_decoder_layers=1,
    ...                 dim_feedforward=16).head_dim
    4
    """

    d_model: int
    nhead: int
    num_encoder_layers: int
    num_decoder_layers: int
    dim_feedforward: int
    dropout: float = 0.1
    activation: str = "relu"
    batch_first: bool = False
    norm_first: bool = False
    layer_norm_eps: float = 1e-5
    bias: bool = True

    def __post_init__(self) -> None:
        for name in _COUNTS:
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"{name}: expected a positive whole number, found {value!r}")
        if self.d_model % self.nhead:
            raise UsageError(
                f"nhead={self.nhead} does not divide d_model={self.d_model}",
                hint=f"Heads share the width equally. Take one of {_near_divisors(self)} heads.",
            )
        if not 0.0 <= self.dropout < 1.0:
            raise UsageError(f"dropout: expected a share in [0, 1), found {self.dropout!r}")
        if not self.layer_norm_eps >= 0.0:
            raise UsageError(f"layer_norm_eps: expected 0 or more, found {self.layer_norm_eps!r}")
        if self.activation not in ACTIVATIONS:
            close = get_close_matches(str(self.activation).lower(), ACTIVATIONS, n=1, cutoff=0.5)
            raise UsageError(
                f"activation: expected 'relu' or 'gelu', found {self.activation!r}",
                hint=f"Did you mean {close[0]!r}?" if close else "",
            )

    @property
    def head_dim(self) -> int:
        """Width of one head."""
        return self.d_model // self.nhead


def _near_divisors(settings: ClassicSettings, how_many: int = 4) -> list[int]:
    """The divisors of the width that are nearest to the number of heads asked for."""
    width, heads = settings.d_model, settings.nhead
    divisors = [d for d in range(1, width + 1) if width % d == 0]
    return sorted(sorted(divisors, key=lambda d: abs(d - heads))[:how_many])
