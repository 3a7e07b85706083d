"""The output of nanochat's scripts/base_train.py.

Lines as printed by that script of karpathy/nanochat at 92d63d4: the model's config as JSON, its
parameters by component, tokens, FLOP and batch, then `step 00010/21400 (…%) | loss: X | …` and at
evaluations `Step 00250 | Validation bpb: Y`. Its loss is a moving average of the training loss;
it evaluates in bits per byte only.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import cast

from isoloss.runs.importers._logs import (
    Curves,
    ended,
    head,
    last_error,
    number_of,
    read_lines,
    require_points,
    run_told,
)
from isoloss.runs.importers.history import RunHistory

_STEP = re.compile(r"\bstep (\d+)(?:/(\d+))? \([\d.]+%\) \| loss: (\S+)(?: \| lrm: (\S+))?")
_EVAL = re.compile(r"\bStep (\d+) \| (Validation bpb|CORE metric): (\S+)")
_COUNT = re.compile(r"^\s*(\w+)\s*: ([\d,]+)\s*$")
_FACTS = {
    "vocab_size": re.compile(r"^Vocab size: ([\d,]+)"),
    "number_of_parameters": re.compile(r"^Number of parameters: ([\d,]+)"),
    "flops_per_token": re.compile(r"^Estimated FLOPs per token: (\S+)"),
    "total_batch_size": re.compile(r"^Total batch size ([\d,]+) =>"),
}
_NAMES = {"Validation bpb": "val/bpb", "CORE metric": "core_metric"}
_END = re.compile(r"^Total training time: [\d.]+m")


def looks_like_nanochat(path: Path) -> bool:
    """Whether a file is such a log."""
    text = head(path)
    return bool(_STEP.search(text) or re.search(r"Step \d+ \| Validation bpb: ", text))


def read_nanochat(path: Path) -> list[RunHistory]:
    """The run that a log tells.

    Raises:
        NotFoundError, EnvironmentProblem: as `read_lines`; DataError: it holds no loss.
    """
    lines = read_lines(path)
    curves = Curves()
    config = _model_config(lines)
    planned: float | None = None
    for line in lines:
        if found := _STEP.search(line):
            planned = float(found[2]) if found[2] else planned
            curves.add_text("train/loss", found[1], found[3])
            if found[4]:
                curves.add_text("train/lrm", found[1], found[4])
        elif found := _EVAL.search(line):
            curves.add_text(_NAMES[found[2]], found[1], found[3])
        for name, pattern in _FACTS.items():
            if found := pattern.search(line):
                config[name] = number_of(found[1])
    require_points(curves, path, "nanochat")
    config |= _counts(lines)
    if planned is not None:
        config["num_iterations"] = planned
    said = any(_END.search(line) for line in lines)
    ending = ended(curves, said=said, planned=planned, error=last_error(lines))
    notes = ("nanochat's training loss is a moving average over about ten steps",)
    return run_told(path, curves, config, ending, notes=notes)


def _model_config(lines: list[str]) -> dict[str, object]:
    """The JSON object after `Model config:`, or nothing."""
    start = next((i for i, line in enumerate(lines) if line.startswith("Model config:")), None)
    if start is None:
        return {}
    end = next((i for i in range(start, len(lines)) if lines[i].rstrip() == "}"), start)
    try:
        values = json.loads("\n".join(lines[start + 1 : end + 1]))
    except (ValueError, RecursionError):
        return {}
    if not isinstance(values, dict):
        return {}
    return {
        str(key): value
        for key, value in cast("dict[object, object]", values).items()
        if isinstance(value, (str, int, float, bool))
    }


def _counts(lines: list[str]) -> dict[str, object]:
    """Parameters by our conventions, from the table of components.

    The matrices of the blocks and the head multiply activations; tokens look value embeddings up
    as they do the first ones, so both are embeddings.
    """
    found: dict[str, float] = {}
    start = next((i for i, x in enumerate(lines) if x.startswith("Parameter counts:")), None)
    for line in lines[start + 1 : start + 12] if start is not None else ():
        match = _COUNT.match(line)
        value = number_of(match[2]) if match else None
        if match is None or value is None:
            break
        found[match[1]] = value
    counts: dict[str, object] = {}
    if "total" in found:
        counts["params_total"] = found["total"]
    if {"transformer_matrices", "lm_head"} <= found.keys():
        counts["params_matmul"] = found["transformer_matrices"] + found["lm_head"]
        counts["params_non_embedding"] = found["transformer_matrices"] + found.get("scalars", 0)
    return counts
