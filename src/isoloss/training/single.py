"""One model from texts: what `isoloss train` does."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from isoloss.architecture import HEAD_DIM, config_for_width
from isoloss.corpus import STANDARD_LIBRARY, Corpus, prepare_corpus
from isoloss.errors import DataError, UsageError
from isoloss.training._progress import shown_progress
from isoloss.training.recipe import Recipe
from isoloss.training.run import RunConfig, train_run

VOCAB_SIZE = 1024
CONTEXT_LENGTH = 128
EVAL_TOKENS = 65_536
WARMUP_SHARE = 0.1
"""Largest share of the steps that the warm-up may take."""


def train_one(
    sources: Sequence[str | Path],
    *,
    d_model: int,
    tokens: int,
    out: str | Path,
    seed: int = 0,
    text_field: str = "text",
) -> dict[str, Any]:
    """Prepare a corpus under `out/corpus`, train one model of the ladder's family, keep it.

    A killed run goes on from its last checkpoint; a finished one is not trained again.

    Args:
        sources: text files or folders; none means this Python's own source.
        d_model: width, a multiple of 16.
        tokens: training tokens (D), rounded down to whole steps.
        out: folder of the model.
        seed: decides the first weights and the order of the text.
        text_field: the field of `.jsonl` and `.parquet` rows that holds the text.

    Returns:
        The row of the run table.

    Raises:
        UsageError: the width does not fit, too few tokens, or `out` holds another run.
        NotFoundError, DataError: the text is missing, unreadable or too short.
    """
    recipe = Recipe()
    steps = _steps(tokens, recipe)
    _check_width(d_model)
    if seed < 0:
        raise UsageError(f"the seed must not be negative, found {seed}")
    out = Path(out)
    corpus = prepare_corpus(
        list(sources) or [STANDARD_LIBRARY],
        out / "corpus",
        vocab_size=VOCAB_SIZE,
        text_field=text_field,
        on_progress=lambda line: print(line, file=sys.stderr, flush=True),
    )
    _check_size(corpus, steps * recipe.batch_tokens)
    config = RunConfig(
        architecture=config_for_width(
            d_model, vocab_size=VOCAB_SIZE, context_length=CONTEXT_LENGTH
        ),
        recipe=recipe,
        steps=steps,
        seed=seed,
        corpus_fingerprint=corpus.fingerprint,
        eval_tokens=EVAL_TOKENS,
    )
    with shown_progress(steps, f"width {d_model}") as on_step:
        return train_run(config, corpus, out, on_step=on_step)


def _steps(tokens: int, recipe: Recipe) -> int:
    """Whole steps in a number of tokens; enough of them for the warm-up."""
    steps = tokens // recipe.batch_tokens
    least = round(recipe.warmup_steps / WARMUP_SHARE)
    if steps < least:
        raise UsageError(
            f"{tokens:,} tokens are {max(0, steps):,} steps of {recipe.batch_tokens:,}; the warm-up"
            f" of {recipe.warmup_steps} may be a tenth of them at most",
            hint=f"Give --tokens {least * recipe.batch_tokens} or more.",
        )
    return steps


def _check_width(d_model: int) -> None:
    if d_model < 1 or d_model % HEAD_DIM:
        below = d_model // HEAD_DIM * HEAD_DIM
        near = [str(width) for width in (below, below + HEAD_DIM) if width > 0]
        raise UsageError(
            f"d_model must be a multiple of {HEAD_DIM}, the width of a head; found {d_model}",
            hint=f"Take --d-model {' or '.join(near[:2] if d_model > 0 else [str(HEAD_DIM)])}.",
        )


def _check_size(corpus: Corpus, tokens: int) -> None:
    """No token twice: repeated text would be a run of another kind."""
    unique = (corpus.train_tokens - 1) // CONTEXT_LENGTH * CONTEXT_LENGTH
    if tokens > unique:
        raise DataError(
            f"the corpus has {unique:,} training tokens, {tokens:,} were asked for",
            hint="Give more text (--corpus may be repeated) or fewer --tokens.",
        )
