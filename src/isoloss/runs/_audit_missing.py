"""What a table does not say, and what that stops."""

from __future__ import annotations

from collections.abc import Iterator

from isoloss.runs._audit_evidence import Evidence, Finding

_BLOCKS: dict[str, str] = {
    "tokens": "laws of D; D is taken as C / (6 N)",
    "flops": "budgets in the table's own convention; C = 6 N D is assumed",
    "flops_convention": "knowing what a budget means",
    "n_layer d_model vocab_size": "checking N against shapes, and plans of the same family",
    "schedule": "telling decayed runs from undecayed ones and from checkpoints",
    "learning_rate batch_tokens": "laws of hyperparameters, finding a sweep in the table",
    "loss_se": "weighting by noise",
    "parent_id seed": "honest resampling: every row counts as independent",
    "dataset tokenizer": "knowing that the losses compare",
    "loss_unit": "certainty of the unit; nats per token are assumed",
    "bits_per_byte": "comparing with runs of another tokeniser",
}


def missing_columns(evidence: Evidence) -> list[tuple[str, str]]:
    """Columns that are not there, and what they would be needed for."""
    found: list[tuple[str, str]] = []
    for names, blocked in _BLOCKS.items():
        absent = [name for name in names.split() if not evidence.has(name)]
        pointless = names == "flops_convention" and not evidence.has("flops")
        if absent and not pointless:
            found.append((", ".join(absent), blocked))
    return found


def gap_findings(evidence: Evidence) -> Iterator[Finding]:
    """Columns that some used rows have and others do not."""
    gaps = [
        (name, sum(cell is None for cell in evidence.cells(name)))
        for name in sorted({n for names in _BLOCKS for n in names.split()})
        if evidence.has(name)
    ]
    gaps = [(name, empty) for name, empty in gaps if empty]
    if gaps:
        shown = ", ".join(f"{name} in {empty}" for name, empty in gaps[:6])
        yield Finding(
            name="gaps",
            severity="note",
            message=f"empty cells, of {len(evidence)} rows: {shown}",
            cure="Fill them in, or leave these rows out: a fit that reads the column refuses them.",
        )
