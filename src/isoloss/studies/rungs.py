"""The table of rungs, shown before anything is trained."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from typing import Any

HEAD_SHARE_WARNING = 0.3


def rungs_text(shown: Mapping[str, Any]) -> str:
    """Corpus, rungs with N under each convention, time, and warnings; 80 columns.

    Args:
        shown: what `run_study(..., dry_run=True)` returns.
    """
    corpus = shown["corpus"]
    lines = [
        f"corpus: {corpus['documents']:,} documents, {corpus['bytes'] / 1e6:.1f} MB,"
        f" {corpus['train_tokens']:,} training tokens, vocabulary {corpus['vocab_size']:,},",
        f"        {corpus['bytes_per_token']:.2f} bytes/token, split by {corpus['split']},"
        f" {corpus['duplicates']} duplicates dropped",
        *_other_aim(shown["study"]),
        f"plan {shown['study']['size']!r}: N by convention, D and C of the longest run",
        f"{'width':>6} {'seed':>4} {'total':>9} {'non-emb.':>9} {'matmul':>9} {'head':>5}"
        f" {'runs':>4} {'D':>10} {'C':>9} {'time':>6}",
    ]
    for row in shown["rungs"]:
        if row["role"] == "verification":
            lines.append("verification run, trained after the prediction was registered:")
        lines.append(_line(row))
    if shown["expected_seconds"] is not None:
        minutes = shown["expected_seconds"] / 60
        lines.append(f"expected: about {minutes:.1f} min here, resumable at any moment")
    mostly_head = [r for r in shown["rungs"] if r["head_share"] > HEAD_SHARE_WARNING]
    if mostly_head:
        lines.append(
            f"note: the output head is more than {HEAD_SHARE_WARNING:.0%} of N on"
            f" {len(mostly_head)} of {len(shown['rungs'])} rows;\n"
            "        exponents depend on how N is counted"
        )
    lines += [
        textwrap.fill(f"warning: {warning}", 80, subsequent_indent=" " * 8)
        for warning in shown["warnings"]
    ]
    return "\n".join(lines)


def _line(row: Mapping[str, Any]) -> str:
    """One rung, under the header of the table."""
    return (
        f"{row['d_model']:>6} {row['seed']:>4} {row['params_total']:>9,}"
        f" {row['params_non_embedding']:>9,} {row['params_matmul']:>9,}"
        f" {row['head_share']:>5.0%} {row['runs']:>4} {row['tokens_high']:>10,}"
        f" {row['flops_high']:>9.2e} {_seconds(row['seconds']):>6}"
    )


def _other_aim(study: Mapping[str, Any]) -> list[str]:
    """A line on what is trained, where it is not a causal model of the default family."""
    objective, family = study.get("objective", "causal"), study.get("family", "isoloss")
    if (objective, family) == ("causal", "isoloss"):
        return []
    return [f"objective {objective}, models of the family {family}"]


def _seconds(value: float | None) -> str:
    """Expected time; a dash where the machine was not timed."""
    return "-" if value is None else f"{value:.0f}s"
