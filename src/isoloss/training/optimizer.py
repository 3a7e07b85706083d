"""Muon for the matrices of the blocks, AdamW for embedding, head and vectors; or AdamW for all.

Muon (Jordan et al. 2024, "Muon: an optimizer for hidden layers"; torch.optim.Muon is the
reference that a test compares with) replaces the momentum of a matrix by the nearest
orthogonal matrix. Here equal shapes are orthogonalised in one batch, which is what makes it
cheap for small models: all query, key, value and output matrices are (d, d), all feed-forward
matrices (f, d) or its transpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from isoloss.models import LanguageModel, Role, parameter_roles
from isoloss.training.parameterization import learning_rates, weight_decays
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


def matrices(weight: Tensor, role: Role) -> list[Tensor]:
    """The single matrices of a hidden parameter, as views: experts one by one, stacks cut.

    >>> role = Role(name="qkv", role="hidden", fan_in=4, fan_out=12, rows=(4, 4, 4))
    >>> [tuple(part.shape) for part in matrices(torch.zeros(12, 4), role)]
    [(4, 4), (4, 4), (4, 4)]
    """
    whole = weight.unbind(0) if role.experts else (weight,)
    return [part for matrix in whole for part in matrix.split(role.rows)]


@dataclass(frozen=True, kw_only=True)
class _Group:
    """Matrices of one shape (M, N), M ≥ N, as views of the weights; wide ones transposed.

    `scale_K` is sqrt(fan out / fan in) of each: with orthogonal updates of that size every
    layer's output moves equally at every width.
    """

    weights: list[Tensor]
    scales: list[float]
    decays: list[float]
    momentum_KMN: Tensor


def _tall(matrix: Tensor) -> Tensor:
    return matrix if matrix.shape[0] >= matrix.shape[1] else matrix.mT


def _scale(fan_out: int, fan_in: int) -> float:
    ratio = max(fan_out, fan_in) / min(fan_out, fan_in)
    return ratio**0.5 if fan_out >= fan_in else 1 / ratio**0.5


class Optimizer:
    """The optimisers of a model under one schedule factor.

    The model must be on its device already: moments are made beside the weights.
    """

    def __init__(self, model: LanguageModel, recipe: Recipe) -> None:
        self.recipe = recipe
        roles = parameter_roles(model)
        self.parameters = dict(model.named_parameters())
        self.rates = learning_rates(roles, recipe, model.config)
        self.decays = weight_decays(roles, recipe)
        muon = recipe.optimizer == "muon"
        self.hidden = [role for role in roles if muon and role.role == "hidden"]
        by_muon = {role.name for role in self.hidden}
        self.by_adamw = [role.name for role in roles if role.name not in by_muon]
        self.adamw = torch.optim.AdamW(
            self._adamw_groups(), betas=recipe.betas, eps=recipe.eps, fused=True
        )
        self.peaks = [group["lr"] for group in self.adamw.param_groups]
        self.groups = self._matrix_groups()

    def _adamw_groups(self) -> list[dict[str, object]]:
        """Parameters of equal rate and decay together."""
        found: dict[tuple[float, float], list[Tensor]] = {}
        for name in self.by_adamw:
            key = (self.rates[name], self.decays[name])
            found.setdefault(key, []).append(self.parameters[name])
        return [
            {"params": parameters, "lr": rate, "weight_decay": decay}
            for (rate, decay), parameters in found.items()
        ]

    @torch.no_grad()
    def _matrix_groups(self) -> dict[str, _Group]:
        """Matrices of equal shape together, by `"MxN"`."""
        weights: dict[str, list[tuple[Tensor, float, float]]] = {}
        for role in self.hidden:
            for part in matrices(self.parameters[role.name], role):
                tall = _tall(part)
                entry = (tall, _scale(*part.shape), self.decays[role.name])
                weights.setdefault(f"{tall.shape[0]}x{tall.shape[1]}", []).append(entry)
        return {
            key: _Group(
                weights=[weight for weight, _, _ in entries],
                scales=[scale for _, scale, _ in entries],
                decays=[decay for _, _, decay in entries],
                momentum_KMN=torch.zeros(
                    len(entries), *entries[0][0].shape, device=entries[0][0].device
                ),
            )
            for key, entries in weights.items()
        }

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update from the gradients that are there; `factor` scales all peak rates.

        A parameter without a gradient is moved as by a gradient of zeros, so that all of them
        have made equally many updates.
        """
        for weight in self.parameters.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        for group, peak in zip(self.adamw.param_groups, self.peaks, strict=True):
            group["lr"] = peak * factor
        self.adamw.step()
        if not self.hidden:
            return
        rate = self.recipe.matrix_learning_rate * factor
        gradients = self._gradients()
        for key, group in self.groups.items():
            updates = self._update(group.momentum_KMN, gradients[key])
            for weight, update, scale, decay in zip(
                group.weights, updates, group.scales, group.decays, strict=True
            ):
                if decay:
                    weight.mul_(1 - rate * decay)
                weight.sub_(update, alpha=rate * scale)

    def _gradients(self) -> dict[str, list[Tensor]]:
        """Gradients of the matrices, in the order of the groups."""
        found: dict[str, list[Tensor]] = {key: [] for key in self.groups}
        for role in self.hidden:
            gradient = self.parameters[role.name].grad
            assert gradient is not None
            for part in matrices(gradient, role):
                tall = _tall(part)
                found[f"{tall.shape[0]}x{tall.shape[1]}"].append(tall)
        return found

    def _update(self, momentum_KMN: Tensor, gradients: list[Tensor]) -> Tensor:
        """Nesterov momentum, then orthogonalised."""
        gradient = torch.stack(gradients)
        momentum_KMN.lerp_(gradient, 1 - self.recipe.momentum)
        return orthogonalize(gradient.lerp(momentum_KMN, self.recipe.momentum))

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        result = {f"momentum.{key}": group.momentum_KMN for key, group in self.groups.items()}
        for name in self.by_adamw:
            moments = self.adamw.state.get(self.parameters[name], {})
            for key in ("exp_avg", "exp_avg_sq"):
                if key in moments:
                    result[f"{key}.{name}"] = moments[key]
        return result

    def restore(self, tensors: dict[str, Tensor], updates: int) -> None:
        """Take over what `tensors` gave after `updates` steps that moved the weights.

        Raises:
            KeyError, ValueError: a tensor is missing or has another shape.
        """
        for key, group in self.groups.items():
            group.momentum_KMN.copy_(_shaped(tensors, f"momentum.{key}", group.momentum_KMN))
        for name in self.by_adamw if updates else ():
            weight = self.parameters[name]
            self.adamw.state[weight] = {
                "step": torch.tensor(float(updates), device=weight.device),
                **{
                    key: _shaped(tensors, f"{key}.{name}", weight).to(weight.device, copy=True)
                    for key in ("exp_avg", "exp_avg_sq")
                },
            }


def _shaped(tensors: dict[str, Tensor], name: str, like: Tensor) -> Tensor:
    """A tensor of a checkpoint, which must be shaped as the one that it replaces."""
    if tensors[name].shape != like.shape:
        raise ValueError(f"{name} is {tuple(tensors[name].shape)}, not {tuple(like.shape)}")
    return tensors[name]
