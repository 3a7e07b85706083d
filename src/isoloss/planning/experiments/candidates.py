"""Runs that may be made: the variables of a law, what each costs, and how to name it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from isoloss.architecture import (
    FLOPS_CONVENTIONS,
    FlopsConvention,
    config_for_width,
    count_parameters,
    training_flops,
)
from isoloss.errors import DataError, UsageError
from isoloss.laws.law import Array, Mask
from isoloss.runs import Runs

if TYPE_CHECKING:
    from isoloss.fitting import Fit

BEYOND = 4.0
"""A grid reaches so many times beyond the N and the D of the runs."""
STEPS_PER_DOUBLING = 2
LOW_RATIO, HIGH_RATIO = 2.0, 500.0
"""Tokens per parameter of a grid's runs."""
WIDTH_STEP = 16
MOST = 20_000
"""Candidates at most: the choice looks at all of them for every run that it makes."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Candidates:
    """Runs that may be made.

    Attributes:
        rows: what is known of each, as a table's row.
        columns: the variables (n,) each, under the names of formulas.
        flops: cost of each (n,).
        note: where the costs come from, where that is not the table itself; may be empty.
    """

    rows: tuple[Mapping[str, Any], ...]
    columns: Mapping[str, Array]
    flops: Array
    note: str = ""

    def __len__(self) -> int:
        return len(self.flops)

    def kept(self, mask: Mask) -> Candidates:
        """Those of a mask (n,)."""
        return Candidates(
            rows=tuple(row for row, keep in zip(self.rows, mask, strict=True) if keep),
            columns={name: column[mask] for name, column in self.columns.items()},
            flops=self.flops[mask],
            note=self.note,
        )


def read_candidates(
    source: object,
    variables: Sequence[str],
    *,
    n: str | None = None,
    columns: Mapping[str, str] | None = None,
) -> Candidates:
    """Candidates of a file, a frame, rows or `Runs`; losses in them are not looked at.

    Args:
        source: a path, a pandas, Polars or Arrow frame, a list of dicts, or `Runs`.
        variables: of the law.
        n: the column that is N.
        columns: their name → ours, as for `Runs.read`.

    Raises:
        NotFoundError: no such file.
        DataError: a variable or the cost is missing, or a cell is wrong.
    """
    runs = _as_runs(source, columns).used()
    if not len(runs):
        raise DataError("no candidate is left", hint="Every row has a reason against it.")
    if len(runs) > MOST:
        raise DataError(
            f"{len(runs):,} candidates, expected at most {MOST:,}",
            hint="Thin them out: neighbours teach much the same.",
        )
    data = {name: runs.vector(name, n=n) for name in variables}
    told = set(runs.to_frame().columns)
    if "flops" in told and runs.to_frame()["flops"].notna().all():
        flops, note = runs.vector("C"), ""
    elif "tokens" in told:
        flops, note = 6 * runs.vector("N", n=n) * runs.vector("D"), "Costs are 6 N D."
    else:
        raise DataError(
            "the candidates say neither their flops nor their tokens",
            hint="Give each row its cost in a column 'flops'.",
        )
    hidden = ("loss", "status", "reason")
    rows = tuple({k: v for k, v in row.items() if k not in hidden} for row in runs.rows())
    return Candidates(rows=rows, columns=data, flops=flops, note=note)


def _as_runs(source: object, columns: Mapping[str, str] | None) -> Runs:
    """A run table; where there is no loss, which candidates need not have, one stands in."""
    from isoloss.runs.reading import columns_of_frame, columns_of_rows, read_table

    if isinstance(source, Runs):
        return source
    if isinstance(source, (str, Path)):
        raw, label = read_table(Path(source)), str(source)
    elif isinstance(source, (list, tuple)):
        raw = columns_of_rows(cast("Iterable[Mapping[str, object]]", source))
        label = "the candidates"
    else:
        raw, label = columns_of_frame(source), "the candidates"
    loss = {theirs for theirs, ours in (columns or {}).items() if ours.split(":")[0] == "loss"}
    raw = {name: cells for name, cells in raw.items() if name not in loss}
    size = max((len(cells) for cells in raw.values()), default=0)
    raw = {**raw, "loss": [1.0] * size}
    rows = [{name: cells[i] for name, cells in raw.items()} for i in range(size)]
    kept = {theirs: ours for theirs, ours in (columns or {}).items() if theirs not in loss}
    return Runs.from_rows(rows, kept or None, label=label)


def grid_of(fit: Fit, budget: float) -> Candidates:
    """Runs over a grid of N and D around the fit's, up to `BEYOND` times beyond, within a budget.

    Where the fit knows its family (depth, vocabulary, context) and FLOP convention, these are
    real shapes of it at widths of whole steps, with their exact counts; else C = 6 N D.

    Raises:
        UsageError: the law has variables beside N, D and C, or the budget pays for none.
    """
    extra = set(fit.law.variables) - {"N", "D", "C", "M"}
    if extra or not {"N", "D"} <= set(fit.ranges):
        what = f"the variable {min(extra)!r}" if extra else "no ranges of N and D"
        raise UsageError(
            f"a grid of candidates is over N and D; the law {fit.law.name!r} has {what}",
            hint="Give the candidates as a table.",
        )
    tokens = _steps(*fit.ranges["D"])
    rows = _family_rows(fit, tokens) or _plain_rows(fit, tokens)
    kept = [
        row
        for row in rows
        if row["flops"] <= budget and LOW_RATIO <= row["tokens"] / row["n"] <= HIGH_RATIO
    ]
    if not kept:
        raise UsageError(
            f"a budget of {budget:.3g} FLOP pays for no run of the grid"
            f" (cheapest: {min(row['flops'] for row in rows):.3g})",
            hint="Raise the budget, or give smaller candidates as a table.",
        )
    n = np.array([row.pop("n") for row in kept], dtype=np.float64)
    d = np.array([row["tokens"] for row in kept], dtype=np.float64)
    flops = np.array([row["flops"] for row in kept], dtype=np.float64)
    known = {"N": n, "D": d, "C": flops, "M": d / n}
    exact = "d_model" in kept[0]
    return Candidates(
        rows=tuple(kept),
        columns={name: known[name] for name in fit.law.variables},
        flops=flops,
        note="A grid of the fit's family of shapes." if exact else "A grid; costs are 6 N D.",
    )


def _steps(low: float, high: float) -> Array:
    """Values from `low` to beyond `high`, several per doubling."""
    count = int(np.ceil(np.log2(BEYOND * high / low) * STEPS_PER_DOUBLING)) + 1
    return np.round(low * 2.0 ** (np.arange(count) / STEPS_PER_DOUBLING))


def _plain_rows(fit: Fit, tokens: Array) -> list[dict[str, Any]]:
    name = fit.n_convention or "params_total"
    return [
        {"n": n, name: int(n), "tokens": int(d), "flops": 6 * n * d}
        for n in _steps(*fit.ranges["N"]).tolist()
        for d in tokens.tolist()
    ]


def _family_rows(fit: Fit, tokens: Array) -> list[dict[str, Any]]:
    """Rows of the family's shapes; none where the fit does not know it exactly."""
    family = fit.family
    needed = ("vocab_size", "context_length", "n_layer")
    convention: FlopsConvention | None = next(
        (known for known in FLOPS_CONVENTIONS if known == fit.flops_convention), None
    )
    by_name = {"params_matmul": "matmul", "params_non_embedding": "non_embedding"}
    if convention is None or any(name not in family for name in needed):
        return []
    rows: list[dict[str, Any]] = []
    highest, width = BEYOND * fit.ranges["N"][1], WIDTH_STEP
    while True:
        shape = config_for_width(
            width,
            vocab_size=family["vocab_size"],
            context_length=family["context_length"],
            n_layer=family["n_layer"],
            family=family.get("architecture", "isoloss"),
        )
        counts = count_parameters(shape)
        n = float(getattr(counts, by_name.get(fit.n_convention, "total")))
        if n > highest:
            return rows
        each = training_flops(
            shape,
            1,
            convention,
            encoder_tokens=family.get("encoder_share"),
            predicted=family.get("predicted_share"),
        )
        if n >= fit.ranges["N"][0] / 2:
            rows += [
                {"n": n, "d_model": width, "n_layer": family["n_layer"],
                 fit.n_convention or "params_total": int(n), "tokens": int(d), "flops": each * d}
                for d in tokens.tolist()
            ]  # fmt: skip
        width += max(WIDTH_STEP, width // 4 // WIDTH_STEP * WIDTH_STEP)
