"""Mixture of experts: each token goes through the few feed-forward parts that a router picks.

Shape suffixes: N tokens of the batch, D width, F hidden width, E experts, k experts a token.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from isoloss.architecture import TransformerConfig
from isoloss.models.feed_forward import activate


class Experts(nn.Module):
    """Top-k routing (arXiv:1701.06538) with weights that sum to one over the chosen experts.

    `balance` holds, after a forward pass, the load-balancing loss of that pass: E times the sum
    over experts of the share of tokens sent there times the mean probability given there
    (arXiv:2101.03961, eq. 4), which is 1 where all experts are used alike.
    """

    balance: Tensor | None

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        d, f, n = config.d_model, config.d_ff, config.n_expert
        self.chosen = config.experts_per_token
        self.activation, self.gated = config.activation, config.gated
        self.router = nn.Linear(d, n, bias=False)
        self.up = nn.Parameter(torch.empty(n, (2 if self.gated else 1) * f, d))
        self.down = nn.Parameter(torch.empty(n, d, f))
        self.balance = None
        nn.init.normal_(self.up, std=d**-0.5)
        nn.init.normal_(self.down, std=f**-0.5)

    def forward(self, x_BTD: Tensor) -> Tensor:
        x_ND = x_BTD.flatten(0, -2)
        p_NE = self.router(x_ND).float().softmax(dim=-1)
        weights_Nk, experts_Nk = p_NE.topk(self.chosen, dim=-1)
        weights_Nk = weights_Nk / weights_Nk.sum(dim=-1, keepdim=True)
        self.balance = load_balance(p_NE, experts_Nk)
        y_ND = torch.zeros_like(x_ND)
        for expert in range(len(self.up)):
            token, place = (experts_Nk == expert).nonzero(as_tuple=True)
            hidden = x_ND[token] @ self.up[expert].mT
            out = activate(hidden, self.activation, gated=self.gated) @ self.down[expert].mT
            y_ND = y_ND.index_add(0, token, out * weights_Nk[token, place, None].to(out.dtype))
        return y_ND.view_as(x_BTD)


def load_balance(p_NE: Tensor, experts_Nk: Tensor) -> Tensor:
    """The load-balancing loss of router probabilities and the experts chosen from them."""
    experts = p_NE.shape[1]
    share_E = torch.zeros(experts, device=p_NE.device).index_add(
        0, experts_Nk.flatten(), torch.ones(experts_Nk.numel(), device=p_NE.device)
    )
    return experts * (share_E / experts_Nk.numel() * p_NE.mean(dim=0)).sum()
