"""Scaling laws as their papers print them: constants without runs, so without intervals."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from isoloss.errors import NotFoundError
from isoloss.laws.hyperparameters import BATCH, LEARNING_RATE
from isoloss.laws.kaplan import KAPLAN, KAPLAN_D, KAPLAN_N
from isoloss.laws.law import Columns, Law
from isoloss.laws.library import get_law
from isoloss.laws.overtraining import OVERTRAINING
from isoloss.laws.repetition import DATA_CONSTRAINED

FloatArray = NDArray[np.float64]
Ranges = Mapping[str, tuple[float, float]]

# Runs of Hoffmann et al.: N and D from the abstract of arXiv:2203.15556 ("70 million to over 16
# billion parameters on 5 to 500 billion tokens"); the largest compute is the largest that Epoch
# read off their Figure 4 (arXiv:2404.10102).
_HOFFMANN: Ranges = {"N": (7e7, 1.6e10), "D": (5e9, 5e11), "C": (1.3e18, 1.3e22)}
# Section 3 of arXiv:2001.08361: 768 to 1.5e9 non-embedding parameters, 2.2e7 to 2.3e10 tokens. It
# names no largest compute in FLOP.
_KAPLAN: Ranges = {"N": (768, 1.5e9), "D": (2.2e7, 2.3e10)}
# Of the public table of huggingface/datablations.
_DATABLATIONS: Ranges = {"N": (7.1e6, 8.67e9), "D": (1e8, 9e11), "U": (1e8, 1.78e11),
                         "C": (4.3e15, 9.3e21)}  # fmt: skip
# Five runs a corpus, arXiv:2403.08540: 11M to 411M parameters at 20 tokens each, 11M at 320.
_GADRE: Ranges = {"N": (1.1e7, 4.12e8), "D": (2.2e8, 8.2e9), "M": (20, 320), "C": (1.5e16, 2.1e19)}
# 16 runs of arXiv:2412.04403: 190M to 1.3B, 1 to 10 times Chinchilla.
_OLMO: Ranges = {"N": (1.9e8, 1.28e9), "D": (3.8e9, 2.56e11), "C": (7.3e18, 2.6e21)}


@dataclass(frozen=True, kw_only=True)
class PublishedLaw:
    """A law with the constants of a paper.

    Attributes:
        name: what follows `published:`.
        law: its form, with the functions that compute it.
        constants: value of every parameter of the form, in the order of `theta`.
        n_convention, flops_convention: what the paper counts as N and as C; empty without C.
        ranges: what the paper's runs cover, lowest and highest; `C` in FLOP.
        reference: where the constants are printed.
        note: what to know before trusting them; may be empty.

    >>> law = published_law("hoffmann")
    >>> round(law.predict(N=70e9, D=1.4e12), 4)
    1.9366
    """

    name: str
    law: Law = field(repr=False)
    constants: Mapping[str, float]
    n_convention: str
    flops_convention: str
    ranges: Ranges
    reference: str
    note: str = ""

    @property
    def formula(self) -> str:
        """What the law computes, as text."""
        return self.law.formula

    @property
    def variables(self) -> tuple[str, ...]:
        """Inputs of the formula."""
        return self.law.variables

    @property
    def target(self) -> str:
        """What it predicts: `loss` in nats per token, or a column of the run table."""
        return self.law.target

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the constants, in the order of `theta`."""
        return self.law.names

    @property
    def theta(self) -> FloatArray:
        """The constants (P,)."""
        return np.array([self.constants[name] for name in self.law.names], dtype=np.float64)

    def value(self, theta: FloatArray, data: Columns, /) -> FloatArray:
        """`theta` (..., P) and each variable (n,) give (..., n)."""
        return self.law.value(theta, data)

    def predict(self, **variables: float) -> float:
        """The law at one point, from exactly its variables (see `isoloss predict` for words)."""
        data = {name: np.array([float(variables[name])]) for name in self.variables}
        return float(self.value(self.theta, data)[0])


def _constants_of(law: Law, ending: str) -> dict[str, float]:
    """The only set of published constants of a law whose source ends so."""
    (found,) = (dict(values) for source, values in law.constants.items() if source.endswith(ending))
    return found


def _chinchilla_form(
    name: str,
    constants: tuple[float, float, float, float, float],
    *,
    reference: str,
    note: str,
    counts: tuple[str, str] = ("params_total", "6nd_total"),
    ranges: Ranges = _HOFFMANN,
) -> PublishedLaw:
    law = get_law("chinchilla")
    return PublishedLaw(
        name=name,
        law=law,
        constants=dict(zip(law.names, constants, strict=True)),
        n_convention=counts[0],
        flops_convention=counts[1],
        ranges=ranges,
        reference=reference,
        note=note,
    )


def _chinchilla_forms() -> Iterator[PublishedLaw]:
    yield _chinchilla_form(
        "hoffmann", (1.69, 406.4, 410.7, 0.34, 0.28),
        reference="Hoffmann et al. 2022, arXiv:2203.15556, equation 10 (rounded)",
        note="The rounding of the exponents moves N* by a quarter at 5.76e23 FLOP; "
        "published:hoffmann-unrounded has more digits.",
    )  # fmt: skip
    yield _chinchilla_form(
        "hoffmann-unrounded", (1.69337368, 406.401018, 410.722827, 0.33917084, 0.2849083),
        reference="Hoffmann et al. 2022, digits of the LaTeX source of arXiv:2203.15556",
        note="Epoch (arXiv:2404.10102) could not reproduce this fit from the same runs.",
    )  # fmt: skip
    yield _chinchilla_form(
        "epoch", (1.8172, 482.01, 2085.43, 0.3478, 0.3658),
        reference="Besiroglu et al. 2024, arXiv:2404.10102",
        note="A, B and the exponents are the optimum of absolute errors, E that of the "
        "Huber loss: good for allocation, E good to about 0.001.",
    )  # fmt: skip
    yield _chinchilla_form(
        "sardana", (1.69, 406.4, 410.7, 0.336, 0.283),
        reference="Sardana et al. 2024, arXiv:2401.00448",
        note="Hoffmann's fit with other roundings of the exponents, as that paper plans with; "
        "it optimises 6ND + 2N times the tokens of inference at equal loss.",
    )  # fmt: skip
    yield _chinchilla_form(
        "olmo-ladder", (0.9344, 12.48, 33.48, 0.1036, 0.1620),
        reference="Bhagia et al. 2024, arXiv:2412.04403, the step from N and D to the C4 loss",
        note="The constants give the paper's own prediction of 13B-5T, 2.3444, which was 3.8% "
        "below what was measured (2.4379): too hopeful far beyond its runs.",
        counts=("params_non_embedding", "6nd_non_embedding"),
        ranges=_OLMO,
    )  # fmt: skip


def _kaplan(name: str, law: Law, note: str) -> PublishedLaw:
    (constants,) = law.constants.values()
    return PublishedLaw(
        name=name,
        law=law,
        constants=dict(constants),
        n_convention="params_non_embedding",
        flops_convention="6nd_non_embedding",
        ranges={key: span for key, span in _KAPLAN.items() if key in law.variables},
        reference=law.reference if law is not KAPLAN else f"{law.reference} and Table 2",
        note=note,
    )


def _kaplan_laws() -> Iterator[PublishedLaw]:
    yield _kaplan(
        "kaplan",
        KAPLAN,
        "This is the joint law L(N, D). The paper's own N* proportional to C^0.73 came "
        "from another law, of N and steps; arXiv:2406.19146 explains both exponents.",
    )
    hopeful = "It goes to 0 without end, so far beyond its runs it is too hopeful."
    yield _kaplan("kaplan-n", KAPLAN_N, f"For models trained to convergence. {hopeful}")
    yield _kaplan("kaplan-d", KAPLAN_D, f"For large models stopped early. {hopeful}")


def _muennighoff() -> PublishedLaw:
    (constants,) = DATA_CONSTRAINED.constants.values()
    return PublishedLaw(
        name="muennighoff",
        law=DATA_CONSTRAINED,
        constants=dict(constants),
        n_convention="params_total",
        flops_convention="6nd_total",
        ranges=_DATABLATIONS,
        reference="Muennighoff et al. 2023, arXiv:2305.16264, digits of huggingface/datablations",
        note="R_D* = 15.4 and R_N* = 5.3 are a local optimum on a flat ridge: on the same runs "
        "46 and 2.4 fit a little better, and the profile of R_D* has no upper bound.",
    )


def _gadre() -> Iterator[PublishedLaw]:
    for name, corpus in (("redpajama", "RedPajama"), ("c4", "C4"), ("refinedweb", "RefinedWeb")):
        yield PublishedLaw(
            name=f"gadre-{name}",
            law=OVERTRAINING,
            constants=_constants_of(OVERTRAINING, corpus),
            n_convention="params_total",
            flops_convention="6nd_total",
            ranges=_GADRE,
            reference=f"Gadre et al. 2024, arXiv:2403.08540, C4-eval loss of models of {corpus}",
            note="Four parameters from five small runs: made to predict over-trained models; "
            "its best D/N is the same at every budget.",
        )


def _step_law(name: str, law: Law, note: str) -> PublishedLaw:
    return PublishedLaw(
        name=name,
        law=law,
        constants=_constants_of(law, "Step Law"),
        n_convention="params_non_embedding",
        flops_convention="",
        ranges={},
        reference="Li et al. 2025, arXiv:2503.04715 (Step Law)",
        note=note,
    )


def _all_laws() -> Iterator[PublishedLaw]:
    yield from _chinchilla_forms()
    yield from _kaplan_laws()
    yield _muennighoff()
    yield from _gadre()
    yield _step_law(
        "step-law-learning-rate",
        LEARNING_RATE,
        "The best peak learning rate, not a loss: AdamW, cosine to a small constant rate.",
    )
    yield _step_law("step-law-batch", BATCH, "The best batch in tokens, not a loss.")


_LAWS: dict[str, PublishedLaw] = {law.name: law for law in _all_laws()}


def published_names() -> tuple[str, ...]:
    """Names of the published laws.

    >>> published_names()[:4]
    ('hoffmann', 'hoffmann-unrounded', 'epoch', 'sardana')
    """
    return tuple(_LAWS)


def published_law(name: str) -> PublishedLaw:
    """The published law of that name; a leading `published:` may stay.

    Raises:
        NotFoundError: there is none; the hint has the closest name.
    """
    wanted = name.removeprefix("published:").strip().lower().replace("_", "-")
    if wanted in _LAWS:
        return _LAWS[wanted]
    known = ", ".join(f"published:{known}" for known in _LAWS)
    close = difflib.get_close_matches(wanted, _LAWS, n=1, cutoff=0.5)
    hint = f"Did you mean published:{close[0]}? " if close else ""
    raise NotFoundError(
        f"there is no published law named {wanted!r} to plan with", hint=f"{hint}Known: {known}."
    )
