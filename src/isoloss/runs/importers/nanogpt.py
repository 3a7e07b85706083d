"""The output of nanoGPT's train.py.

Lines as printed by `train.py`, `model.py` and `configurator.py` of karpathy/nanoGPT at 3adf61e:
settings that were overridden, the number of parameters without position embeddings, `step N:
train loss X, val loss Y` at evaluations, `iter N: loss X, …` between.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from isoloss.architecture import (
    ParameterCounts,
    TransformerConfig,
    count_parameters,
    family_options,
)
from isoloss.errors import UsageError
from isoloss.runs.importers._logs import (
    Curves,
    ended,
    head,
    last_error,
    number_of,
    read_lines,
    require_points,
    run_told,
    value_of,
)
from isoloss.runs.importers.history import RunHistory

_ITER = re.compile(r"\biter (\d+): loss (\S+), time \S+ms, mfu ")
_EVAL = re.compile(r"\bstep (\d+): train loss (\S+), val loss (\S+)\s*$")
_SET = re.compile(r"^\s*(?:Overriding: )?([a-z]\w*) = ([^#\n]+?)\s*(?:#.*)?$")
_FACTS = {
    "tokens_per_iter": re.compile(r"\btokens per iteration will be: ([\d,]+)"),
    "number_of_parameters": re.compile(r"\bnumber of parameters: ([\d.]+M)\b"),
    "decayed": re.compile(r"\bnum decayed parameter tensors: \d+, with ([\d,]+) parameters"),
    "others": re.compile(r"\bnum non-decayed parameter tensors: \d+, with ([\d,]+) parameters"),
    "vocab_size": re.compile(r"\bfound vocab_size = (\d+) "),
}
ROUNDING = 5_001
"""The log prints millions with two decimals."""

_DEFAULT_VOCABULARY = "defaulting to vocab_size of GPT-2 to 50304"
_DEFAULTS: dict[str, object] = {
    "n_layer": 12,
    "n_head": 12,
    "n_embd": 768,
    "block_size": 1024,
    "bias": False,
    "max_iters": 600000,
    "learning_rate": 6e-4,
}
"""What train.py takes for a setting that is not overridden, of those that we read."""


def looks_like_nanogpt(path: Path) -> bool:
    """Whether a file is such a log."""
    text = head(path)
    return bool(_ITER.search(text) or re.search(r"step \d+: train loss \S+, val loss \S+", text))


def read_nanogpt(path: Path) -> list[RunHistory]:
    """The run that a log tells.

    Raises:
        NotFoundError, EnvironmentProblem: as `read_lines`; DataError: it holds no loss.
    """
    lines = read_lines(path)
    curves = Curves()
    for line in lines:
        if found := _ITER.search(line):
            curves.add_text("loss", found[1], found[2])
        elif found := _EVAL.search(line):
            curves.add_text("train/loss", found[1], found[2])
            curves.add_text("val/loss", found[1], found[3])
    require_points(curves, path, "nanoGPT")
    config, note = _counted(_settings(lines))
    planned = config.get("max_iters")
    ending = ended(
        curves,
        said=False,
        planned=float(planned) if isinstance(planned, (int, float)) else None,
        error=last_error(lines),
    )
    return run_told(path, curves, config, ending, notes=[note] if note else [])


def _settings(lines: list[str]) -> dict[str, object]:
    """What is printed before training: overridden settings, and what the program counted."""
    config: dict[str, object] = {}
    reading = True
    for line in lines:
        if line.startswith("Overriding"):
            reading = True
        elif "tokens per iteration will be" in line:
            reading = False
        if reading and (found := _SET.match(line)):
            config[found[1]] = value_of(found[2])
        for name, pattern in _FACTS.items():
            if found := pattern.search(line):
                config[name] = number_of(found[1])
        if _DEFAULT_VOCABULARY in line:
            config["vocab_size"] = 50304
    return config


def _counted(config: dict[str, object]) -> tuple[dict[str, object], str]:
    """Settings with what is known of the size: exactly, where the log gives its two sums.

    Settings that are not printed are nanoGPT's defaults where the whole shape then has as many
    parameters as the log prints.
    """
    sums = [config.pop(name, None) for name in ("decayed", "others")]
    printed = config.pop("number_of_parameters", None)
    weights = [float(value) for value in sums if isinstance(value, (int, float))]
    full = {**_DEFAULTS, **config}
    shape = nanogpt_config(full)
    if shape is not None and _agrees(count_parameters(shape), weights, printed):
        return {**full, "model_type": "nanogpt"}, ""
    if len(weights) == 2:
        return {**config, "params_total": sum(weights)}, ""
    if printed is None:
        return config, ""
    note = "the log gives the number of parameters without position embeddings, to 10,000"
    return {**config, "number_of_parameters": printed}, note


def _agrees(counts: ParameterCounts, weights: list[float], printed: object) -> bool:
    if len(weights) == 2:
        return counts.total == sum(weights)
    if not isinstance(printed, (int, float)):
        return False
    return abs(counts.total - counts.positions - printed) <= ROUNDING


def nanogpt_config(settings: dict[str, object]) -> TransformerConfig | None:
    """The shape of nanoGPT's model, or None where the settings say none that is possible."""
    names = {
        "vocab_size": "vocab_size",
        "context_length": "block_size",
        "d_model": "n_embd",
        "n_layer": "n_layer",
        "n_head": "n_head",
    }
    sizes = {ours: settings.get(theirs) for ours, theirs in names.items()}
    if not all(isinstance(size, (int, float)) and size >= 1 for size in sizes.values()):
        return None
    whole = {name: int(size) for name, size in sizes.items() if isinstance(size, (int, float))}
    biases = bool(settings.get("bias"))
    options: dict[str, Any] = {
        **family_options("gpt2"),
        "biases": "all" if biases else "none",
        "norm_bias": biases,
        **whole,
        "d_ff": 4 * whole["d_model"],
    }
    try:
        return TransformerConfig(**options)
    except UsageError:
        return None
