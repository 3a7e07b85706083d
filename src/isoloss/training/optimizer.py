"""Muon for the matrices of the blocks, AdamW for embedding, head and scales.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers"; torch.optim.Muon is the
reference that a test compares with) replaces the momentum of a matrix by the nearest
orthogonal matrix. Here equal shapes are orthogonalised in one batch, which is what makes it
cheap for small models: all query, key, value and output matrices are (d, d), all feed-forward
matrices (f, d).
"""

from __future__ import annotations

import torch
from torch import Tensor

from isoloss.models import Decoder
from isoloss.training.recipe import Recipe

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)
NEWTON_SCHULZ_STEPS = 5
_TINY = 1e-7


def orthogonalize(stack_KMN: Tensor) -> Tensor:
    """About the nearest matrix with orthonormal columns to each (M, N) matrix, M ≥ N.

    A quintic Newton-Schulz iteration: singular values end between about .7 and 1.2, which is
    near enough for an update.
    """
    a, b, c = NEWTON_SCHULZ
    x = stack_KMN / (stack_KMN.norm(dim=(-2, -1), keepdim=True) + _TINY)
    for _ in range(NEWTON_SCHULZ_STEPS):
        gram = x.mT @ x
        x = torch.baddbmm(x, x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), beta=a)
    return x


class Optimizer:
    """Both optimisers of a decoder under one schedule factor.

    The update of a feed-forward matrix (f, d) is scaled by sqrt(f/d) on the way up and by its
    inverse on the way down, so that every layer's output moves equally at every width.
    """

    def __init__(self, model: Decoder, recipe: Recipe) -> None:
        self.model = model
        self.recipe = recipe
        self.adamw = torch.optim.AdamW(
            [
                model.embedding.weight,
                model.head.weight,
                *(block.attention.q_scale for block in model.layers()),
            ],
            lr=recipe.learning_rate(model.config.d_model),
            betas=recipe.betas,
            eps=recipe.eps,
            weight_decay=recipe.weight_decay,
            fused=True,
        )
        d, f, n = model.config.d_model, model.config.d_ff, model.config.n_layer
        self.square_momentum = torch.zeros(4 * n, d, d)
        self.tall_momentum = torch.zeros(2 * n, f, d)

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update from the gradients that are there; `factor` scales both peak rates."""
        for group in self.adamw.param_groups:
            group["lr"] = self.recipe.learning_rate(self.model.config.d_model) * factor
        self.adamw.step()
        rate = self.recipe.matrix_learning_rate * factor
        squares = self._update(self.square_momentum, self._squares(gradient=True))
        talls = self._update(self.tall_momentum, self._talls(gradient=True))
        widen = (self.model.config.d_ff / self.model.config.d_model) ** 0.5
        for weight, update in zip(self._squares(gradient=False), squares, strict=True):
            weight.sub_(update, alpha=rate)
        for index, (weight, update) in enumerate(
            zip(self._talls(gradient=False), talls, strict=True)
        ):
            weight.sub_(update, alpha=rate * (widen if index % 2 == 0 else 1 / widen))

    def _update(self, momentum: Tensor, gradients: list[Tensor]) -> Tensor:
        """Nesterov momentum, then orthogonalised."""
        gradient = torch.stack(gradients)
        momentum.lerp_(gradient, 1 - self.recipe.momentum)
        return orthogonalize(gradient.lerp(momentum, self.recipe.momentum))

    def _squares(self, *, gradient: bool) -> list[Tensor]:
        """Query, key, value and output matrix of each block (d, d), as views."""
        found: list[Tensor] = []
        for block in self.model.layers():
            for weight in (block.attention.qkv.weight, block.attention.out.weight):
                found.extend(_part(weight, gradient).split(weight.shape[1]))
        return found

    def _talls(self, *, gradient: bool) -> list[Tensor]:
        """Both feed-forward matrices of each block as (f, d) views: up, then down."""
        found: list[Tensor] = []
        for block in self.model.layers():
            found.append(_part(block.feed_forward.up.weight, gradient))
            found.append(_part(block.feed_forward.down.weight, gradient).mT)
        return found

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        result = {
            "momentum.square": self.square_momentum,
            "momentum.tall": self.tall_momentum,
        }
        for name, parameter in self._adamw_parameters():
            for key in ("exp_avg", "exp_avg_sq"):
                moments = self.adamw.state.get(parameter, {})
                if key in moments:
                    result[f"{key}.{name}"] = moments[key]
        return result

    def restore(self, tensors: dict[str, Tensor], step: int) -> None:
        """Take over what `tensors` gave after `step` steps."""
        self.square_momentum.copy_(tensors["momentum.square"])
        self.tall_momentum.copy_(tensors["momentum.tall"])
        for name, parameter in self._adamw_parameters():
            if f"exp_avg.{name}" in tensors:
                self.adamw.state[parameter] = {
                    "step": torch.tensor(float(step)),
                    "exp_avg": tensors[f"exp_avg.{name}"].clone(),
                    "exp_avg_sq": tensors[f"exp_avg_sq.{name}"].clone(),
                }

    def _adamw_parameters(self) -> list[tuple[str, Tensor]]:
        chosen = {id(p) for group in self.adamw.param_groups for p in group["params"]}
        return [(n, p) for n, p in self.model.named_parameters() if id(p) in chosen]


def _part(weight: Tensor, gradient: bool) -> Tensor:
    """A weight, or its gradient."""
    if not gradient:
        return weight
    assert weight.grad is not None
    return weight.grad
