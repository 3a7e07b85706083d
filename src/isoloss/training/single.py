"""One model from texts: what `isoloss train` does."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.architecture import HEAD_DIM, TransformerConfig
from isoloss.corpus.opening import is_prepared
from isoloss.corpus.reading.documents import PLAIN_SUFFIXES, text_files
from isoloss.corpus.reading.hub import is_hub
from isoloss.errors import DataError, UsageError
from isoloss.training._progress import shown_progress
from isoloss.training.aims import PAIRS, resolve_aim
from isoloss.training.devices import resolve_device
from isoloss.training.keeping import Scorer
from isoloss.training.log_writers import check_writers
from isoloss.training.objectives import Objective
from isoloss.training.objectives.windows import AnyCorpus
from isoloss.training.recipe import Recipe
from isoloss.training.run import RunConfig, train_run
from isoloss.training.stopping import Stop

if TYPE_CHECKING:
    from isoloss.training.finetuning import Scoring

VOCAB_SIZE = 1024
CONTEXT_LENGTH = 128
EVAL_TOKENS = 65_536
TOKENS = 1_000_000
WARMUP_SHARE = 0.1
"""Largest share of the steps that the warm-up may take."""


def train_one(
    sources: Sequence[str | Path],
    *,
    d_model: int,
    out: str | Path,
    tokens: int | None = None,
    seed: int = 0,
    text_field: str = "text",
    fields: tuple[str, str] | None = None,
    family: str | None = None,
    objective: Objective | str | None = None,
    n_layer: int | None = None,
    options: Mapping[str, Any] | None = None,
    context_length: int | None = None,
    vocab_size: int | None = None,
    recipe: Recipe | None = None,
    stop: Stop | None = None,
    evaluate_every: int | None = None,
    logs: Sequence[str] = (),
    device: str = "cpu",
    threads: int = 1,
    scoring: Scoring | None = None,
) -> dict[str, Any]:
    """Prepare a corpus under `out/corpus`, train one model on it, keep it.

    A killed run goes on from its last checkpoint; a finished one is not trained again.

    Args:
        sources: text files or folders; none means this Python's own source. For sequence to
            sequence, tables with a source and a target in each row.
        d_model: width, a multiple of 16.
        out: folder of the model.
        tokens: training tokens (D), rounded down to whole steps; a million where neither it nor
            `stop` says when to end.
        seed: decides the first weights and the order of the text.
        text_field: the field of `.jsonl` and `.parquet` rows that holds the text.
        fields: the fields of source and target (sequence to sequence).
        family: a name of `isoloss.architecture.FAMILIES`; isoloss's own of the objective's kind
            when None.
        objective: as `resolve_aim` takes: when None sequence to sequence where `fields` are
            given, else that of the family's kind (causal, masked, span corruption).
        n_layer: depth (of each side); the family's when None.
        options: fields of `TransformerConfig` over the family's, such as `n_expert`.
        context_length: tokens of a row (of each side); 128 when None.
        vocab_size: ordinary entries of the tokeniser; 1,024 when None.
        recipe: how it is trained; the recipe of the studies when None.
        stop: further rules that end the run; the first that comes true does.
        evaluate_every: steps between evaluations for the log; at the end only when None.
        logs: other logs beside `log.jsonl`: `tensorboard`, `wandb`, `trackio`.
        device: `cpu`, `cuda` or `auto`.
        threads: PyTorch's, on a CPU; part of the run's id.
        scoring: a task that the model is scored on, at the end or while it trains.

    Returns:
        The row of the run table.

    Raises:
        UsageError: the width does not fit, too few tokens, or `out` holds another run.
        NotFoundError, DataError: the text is missing, unreadable or too short.
        EnvironmentProblem: no such device, a package is missing, or out of memory.
    """
    if seed < 0:
        raise UsageError(f"the seed must not be negative, found {seed}")
    _check_width(d_model)
    check_writers(logs)
    out = Path(out)
    aim = resolve_aim(objective, family=family, fields=fields, n_layer=n_layer, options=options)
    sizes = {
        "vocab_size": vocab_size or VOCAB_SIZE,
        "context_length": context_length or CONTEXT_LENGTH,
    }
    shape = aim.shape(d_model, **sizes)
    _check_task(scoring, shape)
    request = _Request(
        objective=aim.objective,
        recipe=recipe or Recipe(),
        stop=_rules(tokens, stop),
        seed=seed,
        device=resolve_device(device),
        threads=threads,
    )
    if request.stop.epochs is None:
        planned = request.config(shape, "", 0)  # mistakes come before any work
        most = None if fields is not None else _most_tokens([str(source) for source in sources])
        if most is not None and planned.tokens > most:
            raise _too_little(f"at most {most:,}", most, planned)
    corpus = aim.prepare(
        [str(source) for source in sources],
        out / "corpus",
        **sizes,
        text_field=text_field,
        on_progress=_say,
    )
    shape = replace(shape, vocab_size=corpus.vocab_size)
    config = request.config(shape, corpus.fingerprint, corpus.train_tokens)
    _check_size(corpus, config, request.stop)
    scorer = None
    if scoring is not None:
        config, scorer = _scored(config, scoring, corpus, out)
    with shown_progress(config.steps, f"width {d_model}") as on_step:
        return train_run(
            config,
            corpus,
            out,
            on_step=on_step,
            evaluate_every=evaluate_every,
            logs=logs,
            scorer=scorer,
        )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True, kw_only=True)
class _Request:
    """How it is to be trained, before its corpus is there."""

    objective: Objective
    recipe: Recipe
    stop: Stop
    seed: int
    device: str
    threads: int

    def config(self, shape: TransformerConfig, fingerprint: str, unique: int) -> RunConfig:
        """The run on a corpus."""
        one = RunConfig(
            architecture=shape,
            recipe=self.recipe,
            steps=1,
            seed=self.seed,
            corpus_fingerprint=fingerprint,
            eval_tokens=EVAL_TOKENS,
            objective=self.objective,
            stop=self.stop.early,
            device=self.device,
            threads=self.threads,
        )
        steps = self.stop.steps_in(
            tokens_per_step=one.tokens, flops_per_step=one.flops, unique_tokens=unique
        )
        _check_steps(one, steps, self.stop)
        return replace(one, steps=steps)


def _rules(tokens: int | None, stop: Stop | None) -> Stop:
    """All rules together; a million tokens where none is known beforehand."""
    rules = stop or Stop()
    if tokens is not None:
        if rules.tokens is not None:
            raise UsageError(
                f"tokens={tokens:,} and stop.tokens={rules.tokens:,} are given", hint="Give one."
            )
        return replace(rules, tokens=max(tokens, 1))
    known = (rules.steps, rules.tokens, rules.epochs, rules.flops)
    return rules if any(value is not None for value in known) else replace(rules, tokens=TOKENS)


def _check_task(scoring: Scoring | None, shape: TransformerConfig) -> None:
    """A task that this kind of model can do."""
    if scoring is not None and shape.kind not in scoring.task.kinds:
        kinds = " or ".join(kind.replace("_", "-") for kind in scoring.task.kinds)
        raise UsageError(
            f"the task {scoring.task.name} needs a model of kind {kinds}, found"
            f" {shape.kind.replace('_', '-')}",
            hint="Take a --family of that kind, or --fields for an encoder-decoder.",
        )


def _scored(
    config: RunConfig, scoring: Scoring, corpus: AnyCorpus, out: Path
) -> tuple[RunConfig, Scorer]:
    """The run with its score in its id, and what scores it."""
    from isoloss.training.finetuning import TaskRunConfig, TaskScorer, seen_examples

    run = TaskRunConfig.of(config, scoring=scoring)
    tokenizer = (corpus.path / "tokenizer.json").read_text("utf-8")
    among = seen_examples(scoring.task, scoring.examples, corpus)
    seen = None if among is None else sum(among)
    if seen is None:
        _say("not looked up, as the text is long: whether held-out examples stand in it")
    elif seen:
        _say(
            f"warning: {seen:,} of {len(scoring.examples):,} held-out examples are among what the"
            " model trains on; the score says less of what is new to it"
        )
    return run, TaskScorer(scoring, tokenizer, out, run.run_id, seen)


def _check_steps(one: RunConfig, steps: int, stop: Stop) -> None:
    """Enough steps for the warm-up."""
    recipe, tokens_per_step = one.recipe, one.tokens
    least = round(recipe.warmup_steps / WARMUP_SHARE)
    if steps >= least:
        return
    row_tokens = tokens_per_step // one.rows
    asked = f"{stop.tokens:,.0f} tokens are" if stop.tokens is not None else "the run has"
    enough = f"--tokens {least * tokens_per_step}"
    if stop.epochs is not None and steps > 0:
        enough = f"--stop-epochs {math.ceil(stop.epochs * least / steps)}"
    batch = steps * tokens_per_step // least // row_tokens * row_tokens
    smaller = f", or smaller steps: --batch-tokens {batch}" if batch > 0 else ""
    raise UsageError(
        f"{asked} {max(0, steps):,} steps of {tokens_per_step:,}; the warm-up"
        f" of {recipe.warmup_steps} may be a tenth of them at most",
        hint=f"Give {enough} or more{smaller}.",
    )


def _check_width(d_model: int) -> None:
    if d_model < 1 or d_model % HEAD_DIM:
        below = d_model // HEAD_DIM * HEAD_DIM
        near = [str(width) for width in (below, below + HEAD_DIM) if width > 0]
        raise UsageError(
            f"d_model must be a multiple of {HEAD_DIM}, the width of a head; found {d_model}",
            hint=f"Take --d-model {' or '.join(near[:2] if d_model > 0 else [str(HEAD_DIM)])}.",
        )


def _check_size(corpus: AnyCorpus, config: RunConfig, stop: Stop) -> None:
    """No token twice, unless epochs were asked for: it would be a run of another kind."""
    if stop.epochs is not None:
        return
    context = config.architecture.context_length
    pairs = config.objective.name == PAIRS
    unique = corpus.train_tokens if pairs else (corpus.train_tokens - 1) // context * context
    if config.tokens > unique:
        raise _too_little(f"{unique:,}", unique, config)


def _most_tokens(sources: Sequence[str | Path]) -> int | None:
    """As many tokens as sources could give at most, by the sizes of their files alone.

    A token stands for a byte or more, and an end of text follows each part of a file. None where
    sizes do not say: of tables, compressed files, data sets, prepared corpora and `stdlib`.

    Raises:
        NotFoundError, DataError: as `text_files`.
    """
    found = 0
    for source in sources:
        path = Path(source)
        if is_hub(source) or not path.exists() or is_prepared(path):
            return None
        for file in text_files(path):
            if file.suffix.lower() not in PLAIN_SUFFIXES:
                return None
            size = file.stat().st_size
            found += size + 1 + size // 1024  # far more ends than parts
    return found or None


def _too_little(told: str, unique: int, config: RunConfig) -> DataError:
    """The error of a text with fewer tokens than were asked for."""
    least = round(config.recipe.warmup_steps / WARMUP_SHARE)
    row_tokens = config.tokens // (config.steps * config.rows)
    batch = unique // least // row_tokens * row_tokens
    short = unique < least * config.rows * row_tokens
    smaller = f" with --batch-tokens {batch} or less" if short and batch > 0 else ""
    return DataError(
        f"the corpus has {told} training tokens, {config.tokens:,} were asked for",
        hint=f"Give more text (--corpus may be repeated), fewer --tokens{smaller}, or --stop-epochs"
        " to go through it more than once.",
    )
