"""Build the base model of "Attention Is All You Need" and train it to reverse short sequences.

    python examples/seed_transformer.py --steps 5

The Transformer is the paper's base model (arXiv:1706.03762, table 3): 44,140,544 parameters
without embeddings and head. Source: random symbols. Target: the same symbols backwards, each
predicted from the source and the target before it. Every step draws a new batch; the loss
starts above ln V (a guess) and falls. It runs on a CPU in seconds.
"""

from __future__ import annotations

import argparse
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from isoloss.models.transformer import Transformer

WARMUP = 5  # steps
START = 0  # the symbol that the decoder sees before the first one


class Reverser(nn.Module):
    """Embeddings and learned positions before a Transformer, a head after it."""

    def __init__(self, transformer: Transformer, symbols: int, length: int, seed: int) -> None:
        super().__init__()
        self.transformer = transformer
        width = transformer.d_model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.symbols = nn.Embedding(symbols, width)
            self.positions = nn.Embedding(length, width)
            self.head = nn.Linear(width, symbols)

    def embed(self, symbols_TN: Tensor) -> Tensor:
        places_T = torch.arange(len(symbols_TN))
        return self.symbols(symbols_TN) + self.positions(places_T)[:, None]

    def forward(self, src_TN: Tensor, tgt_TN: Tensor) -> Tensor:
        """Scores (T, N, symbols) of the symbol after each one of the target."""
        output = self.transformer(self.embed(src_TN), self.embed(tgt_TN), tgt_is_causal=True)
        return self.head(output)


def train(model: Reverser, arguments: argparse.Namespace) -> None:
    """Adam on fresh batches; prints the loss of each step.

    The rate warms up over the first steps, as in section 5.3 of the paper: Adam's first steps
    have the size of the rate whatever the gradient, and at full rate they overshoot.
    """
    generator = torch.Generator().manual_seed(arguments.seed)
    optimizer = torch.optim.Adam(model.parameters(), lr=arguments.rate, betas=(0.9, 0.98))
    shape = (arguments.length, arguments.batch)
    for step in range(1, arguments.steps + 1):
        src_TN = torch.randint(1, arguments.symbols, shape, generator=generator)
        answer_TN = src_TN.flip(0)
        tgt_TN = F.pad(answer_TN[:-1], (0, 0, 1, 0), value=START)
        loss = F.cross_entropy(model(src_TN, tgt_TN).flatten(0, 1), answer_TN.flatten())
        for group in optimizer.param_groups:
            group["lr"] = arguments.rate * min(1.0, step / WARMUP)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"step {step}  loss {loss.item():.4f} nats/symbol", flush=True)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Train the base Transformer to reverse symbols.")
    parser.add_argument("--steps", type=int, default=5, help="training steps (default 5)")
    parser.add_argument("--batch", type=int, default=32, help="sequences a step (default 32)")
    parser.add_argument("--length", type=int, default=6, help="symbols a sequence (default 6)")
    parser.add_argument("--symbols", type=int, default=12, help="alphabet (default 12)")
    parser.add_argument("--rate", type=float, default=5e-5, help="learning rate (default 5e-5)")
    parser.add_argument("--seed", type=int, default=0, help="embeddings, batches and dropout")
    arguments = parser.parse_args(argv)

    transformer = Transformer(
        d_model=512,
        nhead=8,
        num_encoder_layers=6,
        num_decoder_layers=6,
        dim_feedforward=2048,
        dropout=0.1,
    )
    count = sum(parameter.numel() for parameter in transformer.parameters())
    print(f"parameters {count:,}")
    print(f"a guess has the loss {math.log(arguments.symbols - 1):.4f} nats/symbol")
    model = Reverser(transformer, arguments.symbols, arguments.length, arguments.seed)
    torch.manual_seed(arguments.seed)  # dropout draws from the global state
    train(model, arguments)


if __name__ == "__main__":
    main()
