"""The row of the run table that a run becomes."""

from __future__ import annotations

import math
import time
from typing import Any

from isoloss._clock import now
from isoloss.architecture import FAMILIES, TransformerConfig, count_parameters
from isoloss.corpus import Corpus, mixture_facts
from isoloss.training.evaluation import Evaluation
from isoloss.training.guards import Diverged
from isoloss.training.objectives import TokenCount
from isoloss.training.recipe import Recipe
from isoloss.training.run_config import AnyCorpus, RunConfig, counted_flops

TOKENIZERS = ("bpe", "unigram", "characters", "bytes")


def describe(config: RunConfig, corpus: AnyCorpus, *, steps: int | None = None) -> dict[str, Any]:
    """The columns of a row that are known without its loss.

    Args:
        config: the run.
        corpus: its tokens.
        steps: steps that were made, where fewer than planned.
    """
    shape, recipe = config.architecture, config.recipe
    steps = config.steps if steps is None else steps
    counts, seen = count_parameters(shape), config.counted(corpus, steps=steps)
    return {
        "run_id": config.run_id,
        "name": f"d{shape.d_model}-{config.steps}-s{config.seed}",
        "group": "",
        "parent_id": config.parent_id,
        "seed": config.seed,
        "params_total": counts.total,
        "params_non_embedding": counts.non_embedding,
        "params_matmul": counts.matmul,
        "params_active": counts.active,
        "n_layer": shape.n_layer,
        "d_model": shape.d_model,
        "n_head": shape.n_head,
        "d_ff": shape.d_ff,
        "vocab_size": shape.vocab_size,
        "context_length": shape.context_length,
        "tokens": seen.tokens,
        "unique_tokens": unique_tokens(corpus, seen.tokens),
        "steps": steps,
        "batch_tokens": recipe.batch_tokens,
        "learning_rate": recipe.learning_rate(shape.d_model),
        "schedule": schedule_name(recipe),
        "optimizer": "muon+adamw" if recipe.optimizer == "muon" else "adamw",
        "flops": counted_flops(shape, seen),
        "flops_convention": "palm",
        "loss_unit": "nats_per_token",
        "dataset": corpus.fingerprint,
        "tokenizer": tokenizer_name(corpus),
        "architecture": architecture_name(shape),
        "objective": config.objective.name,
        "source": "isoloss",
        **_meta(config, seen),
    }


def unique_tokens(corpus: AnyCorpus, tokens: int) -> int:
    """Different training tokens (U) among the `tokens` that a run sees."""
    if isinstance(corpus, Corpus) and corpus.spans:
        return sum(use.unique_tokens for use in mixture_facts(corpus, tokens))
    return min(tokens, corpus.train_tokens)


def _meta(config: RunConfig, seen: TokenCount) -> dict[str, Any]:
    recipe = config.recipe
    values: dict[str, Any] = {
        "meta_threads": config.threads,
        "meta_precision": recipe.precision,
        "meta_recipe_version": recipe.version,
        "meta_tokens_predicted": seen.predicted,
    }
    if config.architecture.kind == "encoder_decoder":
        values["meta_tokens_encoder"] = seen.encoder_tokens
        values["meta_tokens_decoder"] = seen.tokens - seen.encoder_tokens
    if recipe.parameterization != "inverse_width":
        values["meta_parameterization"] = recipe.parameterization
    if recipe.compile:
        values["meta_compiled"] = True
    if config.device != "cpu":
        values["meta_device"] = config.device
    return values


def schedule_name(recipe: Recipe) -> str:
    """A schedule as one word: its shape, warm-up steps, and what else it needs.

    >>> schedule_name(Recipe()), schedule_name(Recipe(schedule="cosine", final_fraction=0.1))
    ('wsd:50:0.2', 'cosine:50:0.1')
    """
    parts = [recipe.schedule, str(recipe.warmup_steps)]
    if recipe.schedule == "wsd":
        parts.append(f"{recipe.decay_fraction:g}")
    if recipe.final_fraction and recipe.schedule != "constant":
        parts.append(f"{recipe.final_fraction:g}")
    return ":".join(parts)


def tokenizer_name(corpus: AnyCorpus) -> str:
    """Kind and size of a corpus's tokeniser; `file` where it was given."""
    kind = corpus.manifest.get("settings", {}).get("tokenizer", "bpe")
    return f"{kind if kind in TOKENIZERS else 'file'}-{corpus.vocab_size}"


def architecture_name(config: TransformerConfig) -> str:
    """The kind, and the family where it is not isoloss's own.

    >>> from isoloss.architecture import config_for_width
    >>> architecture_name(config_for_width(32, vocab_size=64, context_length=8, family="llama"))
    'decoder/llama'
    """
    sizes = {"kind", "n_encoder_layer", "source_length", "dropout"}
    sizes |= {"vocab_size", "context_length", "d_model", "n_layer", "n_head", "d_ff"}
    options = {n: v for n, v in config.to_dict().items() if n not in sizes}
    for name, family in FAMILIES.items():
        same_kind = family.get("kind", "decoder") == config.kind
        default = TransformerConfig.__dataclass_fields__
        told = {n: v for n, v in family.items() if n != "kind" and v != default[n].default}
        if same_kind and told == options:
            return config.kind if not told else f"{config.kind}/{name}"
    return f"{config.kind}/custom"


def outcome(evaluation: Evaluation) -> dict[str, Any]:
    """The columns that an evaluation fills; what is not known is None."""
    values: dict[str, Any] = {
        "loss": evaluation.loss,
        "loss_se": evaluation.loss_se,
        "bits_per_byte": evaluation.bits_per_byte,
        "meta_eval_tokens": evaluation.tokens,
        "status": "ok",
        "reason": "",
    }
    if evaluation.bits_per_byte_reason:
        values["meta_bits_per_byte_reason"] = evaluation.bits_per_byte_reason
    for name, domain in evaluation.domains.items():
        values[f"metric_loss_{name}"] = domain.loss
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in values.items()
    }


def diverged(error: Diverged) -> dict[str, Any]:
    """The outcome of a run whose loss became useless: kept, with the reason."""
    return {"loss": None, "status": "diverged", "reason": f"diverged: {error}"}


def costs(
    config: RunConfig,
    corpus: AnyCorpus,
    *,
    first: int = 0,
    steps: int | None = None,
    started: float,
) -> dict[str, Any]:
    """What a run took: FLOP from step `first` on (without its trunk), end and seconds."""
    own = config.counted(corpus, first=first, steps=steps)
    return {
        "own_flops": counted_flops(config.architecture, own),
        "created_at": now(),
        "meta_seconds": round(time.monotonic() - started, 3),
    }
