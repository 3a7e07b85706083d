"""Checks of N and C: which convention they follow, against shapes and against 6ND."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from isoloss.architecture import FAMILIES, TransformerConfig, count_parameters
from isoloss.errors import IsolossError
from isoloss.runs._audit_compute import (
    Convention,
    against_compute,
    head_findings,
    mixed_by_compute,
    own_flop_findings,
    six_nd_ratio,
    step_findings,
)
from isoloss.runs._audit_evidence import Evidence, Finding, counted

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_CLOSE = 0.03
"""Relative difference up to which a count agrees with a shape: families differ in small parts."""
_FAMILIES = ("isoloss", "llama", "qwen3", "gpt2")
_LEAST_VOCABULARY = 500
"""Weights per unit of width from which a count holds an embedding or a head."""
_CONVENTIONS = ("params_total", "params_non_embedding", "params_matmul")


def conventions(evidence: Evidence) -> Iterator[Convention]:
    """One for each count that can be compared with shapes, one for each that C can."""
    shapes = _best_family(evidence)
    for name in _counts(evidence):
        if shapes is not None:
            yield _against_shapes(evidence, name, *shapes)
        elif (made_of := _made_of(evidence, name)) is not None:
            yield Convention(column=name, text=_composition(name, *made_of))
        ratio = six_nd_ratio(evidence, name)
        if len(ratio):
            yield against_compute(name, ratio)


def count_findings(evidence: Evidence) -> Iterator[Finding]:
    """Rows that count parameters in different ways, names that shapes contradict, FLOP."""
    if evidence.n_problem:
        yield Finding(
            name="mixed_n",
            severity="error",
            message=evidence.n_problem,
            cure="Give one count for every row, or leave the others out with a reason: total and"
            " non-embedding N differ most where models are small.",
        )
    shapes = _best_family(evidence)
    for name in _counts(evidence):
        mixed = _mixed_by_shape(evidence, name, shapes[1]) if shapes is not None else []
        mixed = mixed or mixed_by_compute(evidence, name)
        if mixed:
            yield _mixed(evidence, name, mixed)
        elif shapes is not None:
            yield from _misnamed(evidence, name, *shapes)
        elif name == "params_non_embedding":
            yield from _not_without(evidence, name)
    yield from own_flop_findings(evidence)
    yield from step_findings(evidence)
    yield from head_findings(evidence)


def _counts(evidence: Evidence) -> list[str]:
    return [name for name in _CONVENTIONS if evidence.has(name)]


def _mixed(evidence: Evidence, name: str, rows: list[int]) -> Finding:
    return Finding(
        name="mixed_n",
        severity="warning",
        message=f"{name} counts the parameters of {counted(len(rows), 'row')} in another way than"
        f" those of the other {len(evidence) - len(rows)}: total and non-embedding N are mixed",
        cure="Count all rows alike (isoloss.architecture.count_parameters), or leave one kind out.",
        rows=evidence.run_ids(rows),
    )


def _best_family(evidence: Evidence) -> tuple[str, dict[str, NDArray[np.float64]]] | None:
    """The family of shapes whose counts lie nearest to the table's, and these counts."""

    if not all(map(evidence.has, ("n_layer", "d_model", "d_ff", "vocab_size"))):
        return None
    if not _counts(evidence):
        return None
    best: tuple[tuple[int, float], str, dict[str, NDArray[np.float64]]] | None = None
    for family in _FAMILIES:
        for tied in (False, True):
            counts = _family_counts(evidence, family, tied)
            distance = _distance(evidence, counts)
            if best is None or distance < best[0]:
                best = (distance, f"{family}{', tied' if tied else ''}", counts)
    return None if best is None or not math.isfinite(best[0][1]) else best[1:]


def _distance(evidence: Evidence, counts: dict[str, NDArray[np.float64]]) -> tuple[int, float]:
    """How many columns are not what their name says, and how far the nearest counts are."""
    import numpy as np

    named = [_median_off(evidence.numbers(name), counts[name]) for name in _counts(evidence)]
    nearest = np.concatenate(
        [
            np.fmin.reduce([np.abs(np.log(evidence.numbers(name) / c)) for c in counts.values()])
            for name in _counts(evidence)
        ]
    )
    nearest = nearest[np.isfinite(nearest)]
    far = float(np.median(nearest)) if len(nearest) else math.inf
    return sum(not off < _CLOSE for off in named), far


def _median_off(values: NDArray[np.float64], counts: NDArray[np.float64]) -> float:
    """Middle relative difference; not-a-number without any."""
    import numpy as np

    off = np.abs(np.log(values / counts))
    off = off[np.isfinite(off)]
    return float(np.median(off)) if len(off) else math.nan


def _family_counts(evidence: Evidence, family: str, tied: bool) -> dict[str, NDArray[np.float64]]:
    """Each convention's count of every row's shape; not-a-number where it has none."""
    import numpy as np

    found = {name: np.full(len(evidence), math.nan) for name in _CONVENTIONS}
    known: dict[tuple[Any, ...], Any] = {}
    names = ("n_layer", "d_model", "n_head", "d_ff", "vocab_size", "context_length")
    columns = [evidence.numbers(name) for name in names]
    for row, sizes in enumerate(zip(*columns, strict=True)):
        key = tuple(None if math.isnan(size) else int(size) for size in sizes)
        if key not in known:
            known[key] = _counts_of(key, family, tied)
        if known[key] is not None:
            counts = known[key]
            values = (counts.total, counts.non_embedding, counts.matmul)
            for name, value in zip(_CONVENTIONS, values, strict=True):
                found[name][row] = value
    return found


def _counts_of(sizes: tuple[int | None, ...], family: str, tied: bool) -> Any:
    n_layer, d_model, n_head, d_ff, vocab_size, context = sizes
    if not (n_layer and d_model and d_ff and vocab_size):
        return None
    options: dict[str, Any] = {**FAMILIES[family], "tied_embeddings": tied}
    try:
        return count_parameters(
            TransformerConfig(
                vocab_size=vocab_size,
                context_length=context or 2048,
                d_model=d_model,
                n_layer=n_layer,
                n_head=n_head or 1,
                d_ff=d_ff,
                **options,
            )
        )
    except IsolossError:
        return None


def _against_shapes(
    evidence: Evidence, name: str, family: str, counts: dict[str, NDArray[np.float64]]
) -> Convention:
    values = evidence.numbers(name)
    medians = {convention: _median_off(values, count) for convention, count in counts.items()}
    medians = {convention: off for convention, off in medians.items() if math.isfinite(off)}
    if not medians:
        return Convention(column=name, text=f"{name}: no shape to count")
    nearest = (
        name if medians.get(name, math.inf) < _CLOSE else min(medians, key=lambda k: medians[k])
    )
    if medians[nearest] < _CLOSE:
        text = f"{name} agrees with the shapes as {nearest} ({family}), {medians[nearest]:.1%} off"
        return Convention(column=name, text=text, agrees=nearest)
    near = f"nearest: {nearest}, {medians[nearest]:.0%} off"
    return Convention(column=name, text=f"{name} agrees with no count of the shapes ({near})")


def _misnamed(
    evidence: Evidence, name: str, family: str, counts: dict[str, NDArray[np.float64]]
) -> Iterator[Finding]:
    """A count that is another one than its name says, by a margin that shapes decide."""
    found = _against_shapes(evidence, name, family, counts).agrees
    if found in ("", name):
        return
    if _median_off(counts[name], counts[found]) > 3 * _CLOSE:
        yield Finding(
            name="n_convention",
            severity="warning",
            message=f"{name} is what the shapes have as {found}: the column has the wrong name",
            cure=f"Map the column to {found} instead.",
        )


def _made_of(evidence: Evidence, name: str) -> tuple[float, float] | None:
    """`a` and `k` of N = a · n_layer · d_model² + k · d_model, where that holds within 3%.

    What blocks have grows with the square of the width, an embedding or a head with the width:
    so far a count can be judged where the vocabulary or the feed-forward width is not known.
    """
    import numpy as np

    n, layers, width = (evidence.numbers(c) for c in (name, "n_layer", "d_model"))
    good = np.isfinite(n) & np.isfinite(layers) & np.isfinite(width)
    shapes = {(float(a), float(b)) for a, b in zip(layers[good], width[good], strict=True)}
    if len(shapes) < 4:
        return None
    n, layers, width = n[good], layers[good], width[good]
    basis = np.stack([layers * width**2, width], axis=1) / n[:, None]
    (a, k), *_ = np.linalg.lstsq(basis, np.ones_like(n), rcond=None)
    off = float(np.max(np.abs(basis @ np.asarray([a, k]) - 1)))
    return (float(a), float(k)) if off < _CLOSE and 6 < a < 30 else None


def _composition(name: str, a: float, k: float) -> str:
    parts = f"{name} is {a:.3g} n_layer d_model²"
    if k < _LEAST_VOCABULARY:
        return f"{parts}: the blocks alone, without embedding and head"
    return f"{parts} + {k:,.0f} d_model: the blocks with an embedding, a head or both"


def _not_without(evidence: Evidence, name: str) -> Iterator[Finding]:
    made_of = _made_of(evidence, name)
    if made_of is not None and made_of[1] >= _LEAST_VOCABULARY:
        yield Finding(
            name="n_convention",
            severity="warning",
            message=f"{_composition(name, *made_of)}: not what non-embedding means here",
            cure="Map it to params_matmul if it holds the output head but no embedding, to"
            " params_total if both.",
        )


def _mixed_by_shape(
    evidence: Evidence, name: str, counts: dict[str, NDArray[np.float64]]
) -> list[int]:
    """Rows of the rarer kind, where some agree with one convention and some with another."""
    import numpy as np

    values = evidence.numbers(name)
    logs = {c: np.abs(np.log(values / count)) for c, count in counts.items()}
    if len(logs) < 2:
        return []
    names = list(logs)
    stacked = np.where(np.isfinite(list(logs.values())), list(logs.values()), math.inf)
    order = np.sort(stacked, axis=0)
    clear = (order[0] < _CLOSE) & (order[1] > 3 * np.maximum(order[0], 0.01))
    nearest: list[int] = np.argmin(stacked, axis=0).tolist()
    kinds = [names[k] if clear[row] else "" for row, k in enumerate(nearest)]
    rows = {kind: [r for r, k in enumerate(kinds) if k == kind] for kind in set(kinds) - {""}}
    rows = {kind: found for kind, found in rows.items() if len(found) >= 2}
    if len(rows) < 2:
        return []
    return min(rows.values(), key=len)
