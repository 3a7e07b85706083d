"""What a plan is made from: fits, a comparison or a published law, brought into one form."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from isoloss.errors import UsageError
from isoloss.planning.published import PublishedLaw, published_law, published_names

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

NO_DRAWS_PUBLISHED = "a published law has no runs here to resample"
NO_DRAWS_FIT = "the fit has no bootstrap draws; fit again with a bootstrap"
_UNIQUE = ("U", "unique_tokens")


class PlannableLaw(Protocol):
    """What planning needs of a law."""

    @property
    def name(self) -> str: ...
    @property
    def formula(self) -> str: ...
    @property
    def variables(self) -> tuple[str, ...]: ...
    def value(self, theta: FloatArray, data: dict[str, FloatArray], /) -> FloatArray:
        """Loss: `theta` (..., P) and each variable (n,) or (..., n) give (..., n)."""
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


class PlannableComparison(Protocol):
    """What planning needs of `isoloss.fitting.Comparison`: fits, weighed by held-out error."""

    @property
    def fits(self) -> Mapping[str, PlannableFit]: ...
    @property
    def weights(self) -> Mapping[str, float]: ...


class PlannableChain(Protocol):
    """What planning needs of `isoloss.fitting.ChainedFit`: a loss, and a metric of it."""

    @property
    def first(self) -> PlannableFit: ...
    @property
    def second(self) -> PlannableFit: ...
    @property
    def link(self) -> str: ...
    @property
    def paired(self) -> bool: ...
    @property
    def target(self) -> str: ...


Plannable = PlannableFit | PlannableComparison | PlannableChain | PublishedLaw | str


@dataclass(frozen=True, kw_only=True)
class Belief:
    """One law with its numbers, whoever found them.

    Attributes:
        label: one line that names it.
        law, theta, names: the law, its parameters (P,) and their names in that order.
        draws: resampled parameters (R, P), or none with `no_draws_reason`.
        weight: among the beliefs of its source; they sum to 1.
    """

    label: str
    law: PlannableLaw
    theta: FloatArray
    names: tuple[str, ...]
    draws: FloatArray | None
    no_draws_reason: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a plan believes: one law, or several with weights.

    Attributes:
        label: one line that names it.
        beliefs: the laws.
        n_convention, flops_convention: what N and C count; empty where the source does not say.
        ranges: what the runs cover, under the names N, D and C; any may be missing.
        family: what all runs share of their shapes (`Fit.family`); empty for a published law.
        caveats: what the source itself has to say.
        chain: the second step from loss to a metric, where there is one.
    """

    label: str
    beliefs: tuple[Belief, ...]
    n_convention: str
    flops_convention: str
    ranges: Mapping[str, tuple[float, float]]
    family: Mapping[str, Any]
    caveats: tuple[str, ...]
    published: bool = False
    chain: PlannableChain | None = None

    @property
    def law_name(self) -> str:
        """Names of the laws."""
        return ", ".join(belief.law.name for belief in self.beliefs)

    def surface(self, setting: Setting) -> Surface:
        """The loss as the point estimates have it, mixed by weight."""
        parts = tuple((belief, belief.theta, belief.weight) for belief in self.beliefs)
        return Surface(parts=parts, setting=setting)

    def drawn(self, belief: Belief, rows: IntArray, setting: Setting) -> Surface:
        """The loss as some draws of one belief have it."""
        assert belief.draws is not None, "asked only where there are draws"
        return Surface(parts=((belief, belief.draws[rows], 1.0),), setting=setting, rows=rows)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What a plan holds fixed while it looks at N and D."""

    n_convention: str
    vocab_size: float
    unique_tokens: float | None = None


@dataclass(frozen=True, kw_only=True)
class Surface:
    """Loss over N and D: (K,) of a point estimate, (R, K) of draws whose numbers are `rows`."""

    parts: tuple[tuple[Belief, FloatArray, float], ...]
    setting: Setting
    rows: IntArray | None = None

    def loss(self, n: FloatArray, d: FloatArray, flops: FloatArray) -> FloatArray:
        """Loss where N and D are so, and C is `flops`; no finite loss is infinite."""
        total: FloatArray = np.zeros(())
        for belief, theta, weight in self.parts:
            data = {
                name: _column(name, belief.law.name, self.setting, n, d, flops)
                for name in belief.law.variables
            }
            with np.errstate(all="ignore"):
                loss = np.asarray(belief.law.value(theta, data), dtype=np.float64)
            total = total + weight * np.where(np.isfinite(loss), loss, np.inf)
        return total


def read_source(
    source: Plannable | Sequence[Plannable], weights: str | Sequence[float] | None = None
) -> Source:
    """Bring a fit, several, a comparison, a chain or `published:NAME` into the one form.

    Args:
        source: what to believe.
        weights: of several: `equal` (also when None) or one number each; a comparison has its
            own by held-out error, unless `equal` is asked for.

    Raises:
        NotFoundError: no such published law.
        UsageError: nothing to plan from, a law without N and D, laws that count N or C
            differently, or weights that do not belong.
    """
    if isinstance(source, Sequence) and not isinstance(source, str):
        from isoloss.planning.averaging import averaged

        return averaged([read_source(part) for part in source], weights)
    if _is_comparison(source):
        from isoloss.planning.averaging import averaged_comparison

        return averaged_comparison(source, weights)
    if weights is not None:
        raise UsageError("weights are for several fits", hint="Give a list of fits.")
    if isinstance(source, str):
        return _published(_named(source))
    if isinstance(source, PublishedLaw):
        return _published(source)
    if _is_chain(source):
        return _chain(source)
    return of_fit(source)  # type: ignore[arg-type]


def _is_comparison(source: Any) -> TypeGuard[PlannableComparison]:
    return hasattr(source, "fits") and hasattr(source, "weights")


def _is_chain(source: Any) -> TypeGuard[PlannableChain]:
    return hasattr(source, "first") and hasattr(source, "second") and hasattr(source, "link")


def _chain(chain: PlannableChain) -> Source:
    first = of_fit(chain.first)
    step = chain.second
    others = [name for name in step.law.variables if name != chain.link]
    if others:
        raise UsageError(
            f"the step to {chain.target} also depends on {', '.join(others)}",
            hint=f"Plan with a step from {chain.link} alone.",
        )
    doubt = (
        () if step.trusted else (f"The step to {chain.target} is not to be trusted: {step.status}",)
    )
    return replace(first, chain=chain, caveats=(*first.caveats, *doubt))


def of_fit(source: PlannableFit) -> Source:
    """One fit as a source.

    Raises:
        UsageError: no fit, or a law without N and D.
    """
    if not hasattr(source, "law") or not hasattr(source, "theta"):
        raise UsageError(
            f"plan takes a fit or 'published:NAME', found {type(source).__name__}",
            hint="Fit the runs first: isoloss.plan(isoloss.fit(runs, 'chinchilla'), flops=…).",
        )
    _check_splits(source.law, source.n_convention)
    draws = None if source.draws is None else np.asarray(source.draws, dtype=np.float64)
    untrusted = () if source.trusted else (f"The fit is not to be trusted: {source.status}",)
    label = f"fit of {source.law.name} to {source.n_rows} runs"
    belief = Belief(
        label=label,
        law=source.law,
        theta=np.asarray(source.theta, dtype=np.float64),
        names=tuple(source.params),
        draws=draws,
        no_draws_reason=NO_DRAWS_FIT if draws is None else "",
    )
    return Source(
        label=label,
        beliefs=(belief,),
        n_convention=source.n_convention,
        flops_convention=source.flops_convention,
        ranges=_ranges(source.ranges, source.n_convention),
        family={key: value for key, value in source.family.items() if value},
        caveats=untrusted,
    )


def _check_splits(law: PlannableLaw, n_convention: str) -> None:
    splits = {"N", "D", "M", "tokens", *_UNIQUE, n_convention}
    if not splits & set(law.variables):
        raise UsageError(
            f"the law {law.name} has neither N nor D, so it cannot split a budget",
            hint="Plan with a law in N and D, such as chinchilla.",
        )


def _named(name: str) -> PublishedLaw:
    if not name.startswith("published:"):
        close = difflib.get_close_matches(name, published_names(), n=1, cutoff=0.6)
        hint = f"Did you mean 'published:{close[0]}'?" if close else "Load it with Fit.load(path)."
        raise UsageError(f"plan takes a fit or 'published:NAME', found {name!r}", hint=hint)
    return published_law(name)


def _published(law: PublishedLaw) -> Source:
    if law.target != "loss":
        raise UsageError(
            f"published:{law.name} predicts the {law.target}, not a loss",
            hint=f"Ask `isoloss predict published:{law.name}`; plan with published:epoch.",
        )
    _check_splits(law.law, law.n_convention)
    belief = Belief(
        label=f"published:{law.name}",
        law=law.law,
        theta=law.theta,
        names=law.parameters,
        draws=None,
        no_draws_reason=NO_DRAWS_PUBLISHED,
    )
    return Source(
        label=belief.label,
        beliefs=(belief,),
        n_convention=law.n_convention,
        flops_convention=law.flops_convention,
        ranges=law.ranges,
        family={},
        caveats=(f"{law.reference}. {law.note}".strip(),),
        published=True,
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


def depends_on_unique(law: PlannableLaw) -> bool:
    """Whether a law knows repeated data."""
    return bool(set(_UNIQUE) & set(law.variables))


def _column(
    name: str, law: str, setting: Setting, n: FloatArray, d: FloatArray, flops: FloatArray
) -> FloatArray:
    if name in ("N", setting.n_convention):
        return n
    if name in ("D", "tokens"):
        return d
    if name in _UNIQUE:  # unless told otherwise every token is read once; a caveat says so
        return d if setting.unique_tokens is None else np.minimum(d, setting.unique_tokens)
    if name == "M":
        return d / n
    if name in ("C", "flops"):
        return flops
    if name in ("V", "vocab_size"):
        return np.full_like(n, setting.vocab_size)
    raise UsageError(
        f"the law {law} depends on {name!r}, which a budget does not settle",
        hint="Plan with a law in N and D, such as chinchilla.",
    )
