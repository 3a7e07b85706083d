"""Peak learning rates and weight decays of every parameter, computed from shapes.

Under AdamW, with m = d_model / base_width and η the base rate:

| parameterization | embedding, vectors | hidden matrices | output |
|---|---|---|---|
| `inverse_width` | η/m | η/m | η/m |
| `standard` | η | η | η |
| `mup` | η | η/m | η/m |

* `mup` is the Adam column of arXiv:2203.03466, Table 3: input weights and vectors keep their rate,
  hidden and output matrices take it times base fan-in over fan-in, with first values N(0, 1/fan in)
  and N(0, 1/fan in²) (`initialisation="fan_in"`). Scores of attention are cosines or heads have
  one width at all widths, so that their 1/d needs no change.
* `inverse_width` is what isoloss's own ladders train with: one rate for all that AdamW moves,
  falling as 1/width. It is no µP, as embeddings move less in wider models.

Muon orthogonalises the update of a hidden matrix; with its scale sqrt(fan out / fan in) the rate
holds at every width (arXiv:2310.17813, condition 1) whatever the parameterization.
"""

from __future__ import annotations

from collections.abc import Sequence

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.models import Role
from isoloss.training.recipe import Recipe

SCALING_STARTS = ("fan_in", "zero_residual")
"""Initial values whose size follows the width as µP wants it (zero is right at every width)."""


def learning_rates(
    roles: Sequence[Role], recipe: Recipe, config: TransformerConfig
) -> dict[str, float]:
    """Peak learning rate of every parameter by name.

    Raises:
        UsageError: µP is asked for a model whose shape or first values do not follow it.
    """
    if recipe.parameterization == "mup":
        _check_mup(config)
    return {role.name: _rate(role, recipe, config) for role in roles}


def _rate(role: Role, recipe: Recipe, config: TransformerConfig) -> float:
    if recipe.optimizer == "muon" and role.role == "hidden":
        return recipe.matrix_learning_rate
    if recipe.parameterization == "mup" and role.role in ("hidden", "output"):
        # Base fan-in over fan-in: every fan-in of a family grows as its width.
        return recipe.base_learning_rate * recipe.base_width / config.d_model
    return recipe.learning_rate(config.d_model)


def weight_decays(roles: Sequence[Role], recipe: Recipe) -> dict[str, float]:
    """Weight decay of every parameter by name, as `Recipe.weight_decay_on` says."""

    def decayed(role: Role) -> bool:
        if recipe.weight_decay_on == "matrices":
            return role.role != "vector"
        by_muon = recipe.optimizer == "muon" and role.role == "hidden"
        return recipe.weight_decay_on == "all" or not by_muon

    return {role.name: recipe.weight_decay if decayed(role) else 0.0 for role in roles}


def _check_mup(config: TransformerConfig) -> None:
    if config.tied_embeddings:
        raise UsageError(
            "µP wants one learning rate for the embedding and another for the output head, and"
            " this model shares them",
            hint="Take tied_embeddings=False, or parameterization='standard'.",
        )
    if config.initialisation not in SCALING_STARTS:
        raise UsageError(
            f"µP holds only from first values that follow the width, not from"
            f" initialisation={config.initialisation!r}",
            hint=f"Take initialisation={' or '.join(map(repr, SCALING_STARTS))}.",
        )
