"""First weights, by the name of a scheme.

* `zero_residual`: embeddings N(0, .02²) (then normalised), maps into a block N(0, 1/fan in),
  what is added to the residual stream and the head 0. Each block is the identity at first, so
  depth does not change the loss at step 0 (exactly ln V).
* `fan_in`: as above, with residual outputs N(0, 1/fan in) and the head N(0, 1/fan in²): the
  initial values of µP (arXiv:2203.03466, Table 3) under Adam.
* `normal`: every matrix N(0, .02²), as BERT (arXiv:1810.04805).
* `gpt2`: as `normal`, with residual outputs divided by sqrt(2 · layers) (GPT-2, §2.3).
* `xavier`: matrices uniform by Glorot and Bengio (2010), embeddings N(0, 1/width).

Biases and shifts start at 0, scales at 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from isoloss.models.roles import Role, parameter_roles

if TYPE_CHECKING:
    from isoloss.models.language_model import LanguageModel

EMBEDDING_STD = 0.02


def initialise(model: LanguageModel, seed: int) -> None:
    """Set every weight of a model from a seed alone; a model on `meta` is left as it is."""
    generator = torch.Generator(device="cpu").manual_seed(seed)
    parameters = dict(model.named_parameters())
    if any(parameter.is_meta for parameter in parameters.values()):
        return
    with torch.no_grad():
        for role in parameter_roles(model):
            _fill(parameters[role.name], role, model, generator)


def _fill(weight: Tensor, role: Role, model: LanguageModel, generator: torch.Generator) -> None:
    config = model.config
    scheme = config.initialisation
    if role.role == "vector":
        scale = role.name.endswith("weight") or role.name.endswith("q_scale")
        weight.fill_(1.0 if scale else 0.0)
    elif scheme == "xavier" and role.role == "hidden":
        # The bound of each stacked matrix by itself.
        for part in weight.split(role.rows, dim=-2):
            bound = (6 / (role.fan_in + part.shape[-2])) ** 0.5
            part.uniform_(-bound, bound, generator=generator)
    else:
        std = _std(role, scheme, config.d_model, config.n_layer + config.n_encoder_layer)
        if std:
            weight.normal_(0.0, std, generator=generator)
        else:
            weight.zero_()


def _std(role: Role, scheme: str, d_model: int, layers: int) -> float:
    """Standard deviation of the first values of a matrix; 0 for all zeros."""
    if scheme in ("normal", "gpt2"):
        return EMBEDDING_STD / ((2 * layers) ** 0.5 if scheme == "gpt2" and role.residual else 1)
    if role.role == "embedding":
        return d_model**-0.5 if scheme == "xavier" else EMBEDDING_STD
    if scheme == "zero_residual" and (role.residual or role.role == "output"):
        return 0.0
    if role.role == "output":
        return 1 / role.fan_in
    return role.fan_in**-0.5
