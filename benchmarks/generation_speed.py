"""Tokens per second of generation: with the cache, without it, and by `transformers`.

    python benchmarks/generation_speed.py --widths 128 256 --tokens 256 --threads 2

Greedy text of one Llama with random weights, the same for all three (checked), in turns of one
run; each ratio is the median over turns. `--rows` prompts are generated at a time. Without the
cache every token costs a forward pass of all before it.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from tokenizers import Tokenizer, models

from isoloss.architecture import config_for_width
from isoloss.models import build_model
from isoloss.models.huggingface import to_huggingface
from isoloss.tasks import GenerationSettings, OpenModel, generate

VOCABULARY = 1024
PROMPT_TOKENS = 16


def main() -> int:
    """Time each way in turns, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--widths", type=int, nargs="+", default=[128, 256])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--rows", type=int, default=1)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    for width in chosen.widths:
        compare(width, chosen)
    return 0


def compare(width: int, chosen: argparse.Namespace) -> None:
    """One width: the three ways, in turns."""
    opened = random_model(width, chosen)
    ways: dict[str, Callable[[], list[list[int]]]] = {
        "cached": cached(opened, chosen),
        "uncached": uncached(opened, chosen),
    }
    theirs = by_transformers(opened, chosen)
    if theirs is not None:
        ways["transformers"] = theirs
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(chosen.turns + 1):
        texts = []
        for name, way in ways.items():
            began = time.perf_counter()
            texts.append(way())
            if turn:  # the first warms up
                seconds[name].append(time.perf_counter() - began)
        assert all(text == texts[0] for text in texts), "the three ways disagree"
    count = chosen.tokens * chosen.rows
    told = ", ".join(f"{n} {count / statistics.median(s):,.0f}" for n, s in seconds.items())
    print(f"width {width}, {chosen.rows} rows of {chosen.tokens} tokens: tokens/s {told}")
    for name in list(ways)[1:]:
        pairs = zip(seconds[name], seconds["cached"], strict=True)
        print(f"  cached is {statistics.median(a / b for a, b in pairs):.2f}x {name}", flush=True)


def random_model(width: int, chosen: argparse.Namespace) -> OpenModel:
    """A Llama with a vocabulary of numbers, which never ends a text."""
    names = {f"<{number}>": number for number in range(VOCABULARY)}
    context = PROMPT_TOKENS + chosen.tokens
    config = config_for_width(
        width,
        vocab_size=VOCABULARY,
        context_length=context,
        n_layer=chosen.layers,
        family="llama",
        tied_embeddings=False,
    )
    model = build_model(config)
    with torch.no_grad():
        model.head.weight[0] = 0.0
    return OpenModel(
        folder=Path(),
        model=model.eval().to(chosen.device),
        tokenizer=Tokenizer(models.WordLevel(names, unk_token="<0>")),
        kind="decoder",
        context_length=context,
        source_length=0,
        end=0,
        start=0,
        pad=0,
    )


def prompts_of(chosen: argparse.Namespace) -> torch.Tensor:
    """The same random prompts for all, (rows, PROMPT_TOKENS)."""
    generator = torch.Generator().manual_seed(0)
    shape = (chosen.rows, PROMPT_TOKENS)
    return torch.randint(1, VOCABULARY, shape, generator=generator)


def cached(opened: OpenModel, chosen: argparse.Namespace) -> Callable[[], list[list[int]]]:
    """`isoloss.tasks.generate`."""
    settings = GenerationSettings(temperature=0.0, max_tokens=chosen.tokens)
    rows = prompts_of(chosen).tolist()

    class Encoded(OpenModel):
        def encode(self, text: str) -> list[int]:
            return rows[int(text)]

        def decode(self, ids: list[int]) -> str:
            return ""

    given = Encoded(**vars(opened))
    names = [str(row) for row in range(chosen.rows)]

    def run() -> list[list[int]]:
        made = generate(given, names, settings, batch_rows=chosen.rows)
        return [list(one.tokens) for one in made]

    return run


def uncached(opened: OpenModel, chosen: argparse.Namespace) -> Callable[[], list[list[int]]]:
    """The loop that computes everything anew."""

    @torch.inference_mode()
    def run() -> list[list[int]]:
        tokens = prompts_of(chosen).to(chosen.device)
        for _ in range(chosen.tokens):
            last = opened.model.hidden(tokens)[:, -1]  # pyright: ignore[reportCallIssue]
            best = opened.model.logits(last).argmax(-1, keepdim=True)  # pyright: ignore
            tokens = torch.cat([tokens, best], dim=1)
        return tokens[:, PROMPT_TOKENS:].tolist()

    return run


def by_transformers(
    opened: OpenModel, chosen: argparse.Namespace
) -> Callable[[], list[list[int]]] | None:
    """`generate` of `transformers` with its cache."""
    try:
        import transformers
    except ImportError:
        return None
    values, weights = to_huggingface(opened.model)  # pyright: ignore[reportArgumentType]
    config = transformers.LlamaConfig.from_dict({**values, "eos_token_id": None})
    config.pad_token_id = 0
    model = transformers.LlamaForCausalLM(config)
    model.load_state_dict(weights)
    model = model.eval().to(chosen.device)

    def run() -> list[list[int]]:
        prompts = prompts_of(chosen).to(chosen.device)
        made = model.generate(
            prompts,
            attention_mask=torch.ones_like(prompts),
            do_sample=False,
            min_new_tokens=chosen.tokens,
            max_new_tokens=chosen.tokens,
        )
        return made[:, PROMPT_TOKENS:].tolist()

    return run


if __name__ == "__main__":
    raise SystemExit(main())
