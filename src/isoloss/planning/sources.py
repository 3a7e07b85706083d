"""What a plan is made from: a fit or a published law, brought into one form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from isoloss.errors import UsageError
from isoloss.planning.published import published_law, published_names

FloatArray = NDArray[np.float64]

NO_DRAWS_PUBLISHED = "a published law has no runs here to resample"
NO_DRAWS_FIT = "the fit has no bootstrap draws; fit again with a bootstrap"


class PlannableLaw(Protocol):
    """What planning needs of a law."""

    @property
    def name(self) -> str: ...
    @property
    def formula(self) -> str: ...
    @property
    def variables(self) -> tuple[str, ...]: ...
    def value(self, theta: FloatArray, data: dict[str, FloatArray], /) -> FloatArray:
        """Loss: `theta` (..., P) and each variable (n,) give (..., n)."""
        ...


class PlannableFit(Protocol):
    """What planning needs of a fit; `isoloss.fitting.Fit` has it."""

    @property
    def law(self) -> PlannableLaw: ...
    @property
    def theta(self) -> FloatArray: ...
    @property
    def params(self) -> Mapping[str, Any]: ...
    @property
    def status(self) -> str: ...
    @property
    def trusted(self) -> bool: ...
    @property
    def draws(self) -> FloatArray | None: ...
    @property
    def n_convention(self) -> str: ...
    @property
    def flops_convention(self) -> str: ...
    @property
    def n_rows(self) -> int: ...
    @property
    def ranges(self) -> Mapping[str, tuple[float, float]]: ...
    @property
    def family(self) -> Mapping[str, Any]: ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """A law with its numbers, whoever found them.

    Attributes:
        label: one line that names it.
        law, theta: the law and its parameters (P,).
        names: names of the parameters in the order of `theta`.
        draws: resampled parameters (R, P), or none with `no_draws_reason`.
        n_convention, flops_convention: what N and C count; empty where the source does not say.
        ranges: what the runs cover, under the names N, D and C; any may be missing.
        family: what all runs share of their shapes (`Fit.family`); empty for a published law.
        caveats: what the source itself has to say.
    """

    label: str
    law: PlannableLaw
    theta: FloatArray
    names: tuple[str, ...]
    draws: FloatArray | None
    no_draws_reason: str
    n_convention: str
    flops_convention: str
    ranges: Mapping[str, tuple[float, float]]
    family: Mapping[str, Any]
    caveats: tuple[str, ...]

    def loss(
        self, theta: FloatArray, n: FloatArray, d: FloatArray, *, flops: float, vocab_size: int
    ) -> FloatArray:
        """Loss (..., n) of `theta` (..., P) at N (n,) and D (n,); no finite loss is infinite."""
        data = {name: _column(name, self, n, d, flops, vocab_size) for name in self.law.variables}
        with np.errstate(all="ignore"):
            loss = np.asarray(self.law.value(theta, data), dtype=np.float64)
        return np.where(np.isfinite(loss), loss, np.inf)


def read_source(source: PlannableFit | str) -> Source:
    """Bring a fit or `published:NAME` into the one form.

    Raises:
        NotFoundError: no such published law; UsageError: neither a fit nor such a name, or a
            law without N and D.
    """
    if isinstance(source, str):
        return _published(source)
    if not hasattr(source, "law") or not hasattr(source, "theta"):
        raise UsageError(
            f"plan takes a fit or 'published:NAME', found {type(source).__name__}",
            hint="Fit the runs first: isoloss.plan(isoloss.fit(runs, 'chinchilla'), flops=…).",
        )
    splits = {"N", "D", "M", "tokens", "U", "unique_tokens", source.n_convention}
    if not splits & set(source.law.variables):
        raise UsageError(
            f"the law {source.law.name} has neither N nor D, so it cannot split a budget",
            hint="Plan with a law in N and D, such as chinchilla.",
        )
    draws = None if source.draws is None else np.asarray(source.draws, dtype=np.float64)
    untrusted = () if source.trusted else (f"The fit is not to be trusted: {source.status}",)
    return Source(
        label=f"fit of {source.law.name} to {source.n_rows} runs",
        law=source.law,
        theta=np.asarray(source.theta, dtype=np.float64),
        names=tuple(source.params),
        draws=draws,
        no_draws_reason=NO_DRAWS_FIT if draws is None else "",
        n_convention=source.n_convention,
        flops_convention=source.flops_convention,
        ranges=_ranges(source.ranges, source.n_convention),
        family={key: value for key, value in source.family.items() if value},
        caveats=untrusted,
    )


def _published(name: str) -> Source:
    if not name.startswith("published:"):
        close = difflib.get_close_matches(name, published_names(), n=1, cutoff=0.6)
        hint = f"Did you mean 'published:{close[0]}'?" if close else "Load it with Fit.load(path)."
        raise UsageError(f"plan takes a fit or 'published:NAME', found {name!r}", hint=hint)
    law = published_law(name)
    return Source(
        label=f"published:{law.name}",
        law=law,
        theta=np.array(list(law.constants.values()), dtype=np.float64),
        names=law.parameters,
        draws=None,
        no_draws_reason=NO_DRAWS_PUBLISHED,
        n_convention=law.n_convention,
        flops_convention=law.flops_convention,
        ranges=law.ranges,
        family={},
        caveats=(f"{law.reference}. {law.note}".strip(),),
    )


def _ranges(
    ranges: Mapping[str, tuple[float, float]], n_convention: str
) -> dict[str, tuple[float, float]]:
    """The ranges under N, D and C, whatever alias the fit used."""
    aliases = {"N": ("N", n_convention), "D": ("D", "tokens"), "C": ("C", "flops")}
    found: dict[str, tuple[float, float]] = {}
    for ours, names in aliases.items():
        for name in names:
            low, high = ranges.get(name, (np.nan, np.nan))
            if np.isfinite(low) and np.isfinite(high) and high > 0:
                found[ours] = (float(low), float(high))
                break
    return found


def _column(
    name: str, source: Source, n: FloatArray, d: FloatArray, flops: float, vocab_size: int
) -> FloatArray:
    if name in ("N", source.n_convention):
        return n
    if name in ("D", "tokens", "U", "unique_tokens"):
        return d  # U = D: a plan reads every token once; a caveat says so
    if name == "M":
        return d / n
    if name in ("C", "flops"):
        return np.full_like(n, flops)
    if name in ("V", "vocab_size"):
        return np.full_like(n, vocab_size)
    raise UsageError(
        f"the law {source.law.name} depends on {name!r}, which a budget does not settle",
        hint="Plan with a law in N and D, such as chinchilla.",
    )
