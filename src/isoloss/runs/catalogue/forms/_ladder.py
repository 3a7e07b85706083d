"""OLMo ladder: one CSV file a run, one line an evaluation; the last line is the finished run."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from isoloss.runs.catalogue.forms._text import Files, Row, csv_rows

_MODELS = {
    "190M": (190354176, 1903391232),
    "370M": (371262464, 3443922944),
    "760M": (758220288, 6373843968),
    "1B": (1279395840, 10109071360),
    "3B": (3169537280, 22970355200),
    "peteish7": (6887575552, 49412071424),
    "peteish13": (13202396160, 91335915520),
}
"""Non-embedding parameters and training FLOP a token, of the configurations of the paper."""
_PAPER_SIZES = ("190M", "370M", "760M", "1B")
_PAPER_FIT = {f"{size}-{times}xC" for size in _PAPER_SIZES for times in (1, 2, 5, 10)}
_PAPER_TARGETS = {"peteish7_eval_anneal", "peteish13_eval_final"}
_C4 = "eval/c4_en-validation/CrossEntropyLoss"
SMOOTHED = 5
"""Evaluations over which the paper averages."""


def ladder(files: Files) -> list[Row]:
    """One row a run: the last line; `loss_ma5` is the mean C4 loss of the last five."""
    return [_row(PurePosixPath(path).stem, csv_rows(data, path)) for path, data in files.items()]


def _row(name: str, lines: list[Row]) -> Row:
    lines = [line for line in lines if line[_C4]]
    last = lines[-1]
    model = re.split(r"[-_]", name)[0]
    n, flops_a_token = _MODELS[model]
    step, batch = last.get("_step"), last.get("batch_size_in_tokens")
    tokens = float(last.get("throughput/total_tokens") or float(step or 0) * float(batch or 0))
    recent = [float(line[_C4]) for line in lines[-SMOOTHED:]]
    return {
        "run_id": name,
        "params_non_embedding": n,
        "tokens": tokens,
        "flops": flops_a_token * tokens,
        "loss": last[_C4],
        "dataset": "OLMoE-mix-0924 (DCLM-based)",
        "model": model,
        "step": step,
        **{ours: value for theirs, value in last.items() if (ours := _measure(theirs))},
        "batch_size_tokens": batch,
        "learning_rate_peak": last.get("learning_rate_peak"),
        "learning_rate": last.get("optim/learning_rate_group0"),
        "loss_ma5": sum(recent) / len(recent),
        "role": _role(name),
    }


def _role(name: str) -> str:
    if name in _PAPER_FIT:
        return "paper_fit"
    return "paper_target" if name in _PAPER_TARGETS else "extra"


def _measure(column: str) -> str:
    """Our name of an evaluation, or nothing."""
    if found := re.fullmatch(r"eval/(.+)-validation/CrossEntropyLoss", column):
        return f"ce_{found[1]}"
    if found := re.fullmatch(r"eval/downstream_bpb/(.+)_bpb", column):
        return f"bpb_{found[1]}"
    if found := re.fullmatch(r"eval/downstream/(.+)", column):
        return f"acc_{found[1]}"
    return ""
