"""The compute of every run: as the table gives it, else 6·N·D, and which of the two it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

from isoloss.laws.law import Array

if TYPE_CHECKING:
    from isoloss.runs import Runs

CONVENTIONS = {
    "params_total": "6nd_total",
    "params_non_embedding": "6nd_non_embedding",
    "params_matmul": "matmul",
}
"""What 6·N·D is called (docs/design.md §3) where N is that column."""


def has_compute(used: Runs) -> bool:
    """Whether every row has its training FLOP."""
    frame = used.to_frame()
    return "flops" in frame.columns and not bool(frame["flops"].isna().any())


def compute_of(used: Runs, n: str | None = None) -> tuple[Array, str]:
    """C of the used rows, (rows,), and a sentence that is empty where the table gives C.

    Args:
        used: rows that a fit may use.
        n: which count is N.

    Raises:
        DataError: rows with different conventions of C, or neither C nor N and D.

    >>> from isoloss.runs import Runs
    >>> compute_of(Runs.from_rows([{"params_total": 1e6, "tokens": 2e7, "loss": 3.5}]))[0].tolist()
    [120000000000000.0]
    """
    if has_compute(used):
        return used.vector("C"), ""
    product = 6 * used.vector("N", n=n) * used.vector("D")
    return product, f"The table has no C for every row: C is 6·N·D, N being {used.n_column(n)}."


def with_compute(runs: Runs, n: str | None = None) -> tuple[Runs, str]:
    """The same table with a column `flops` that every used row has, and the sentence.

    Raises:
        DataError: as `compute_of`.
    """
    from isoloss.runs import Runs as Table

    used = runs.used()
    if has_compute(used):
        return runs, ""
    _, note = compute_of(used, n)
    column = used.n_column(n)
    frame = runs.to_frame()
    # As floats: the product of two counts overflows 64-bit integers.
    frame["flops"] = 6.0 * frame[column].astype(float) * frame["tokens"].astype(float)
    frame["flops_convention"] = CONVENTIONS.get(column, "6nd")
    return Table.from_frame(frame), note
