"""The laws by name, and any formula as a law."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection

from isoloss.errors import NotFoundError
from isoloss.laws.broken import BROKEN
from isoloss.laws.chinchilla import CHINCHILLA
from isoloss.laws.compute import COMPUTE, COMPUTE_OFFSET
from isoloss.laws.distillation import DISTILLATION
from isoloss.laws.downstream import ACCURACY, ERROR, LOSS_TO_LOSS
from isoloss.laws.experts import JOINT_EXPERTS, ROUTED, SPARSITY
from isoloss.laws.farseer import FARSEER
from isoloss.laws.hyperparameters import (
    BATCH,
    BATCH_COMPUTE,
    LEARNING_RATE,
    LEARNING_RATE_COMPUTE,
)
from isoloss.laws.interaction import INTERACTION
from isoloss.laws.kaplan import CRITICAL_BATCH, KAPLAN, KAPLAN_C, KAPLAN_D, KAPLAN_N
from isoloss.laws.law import Law
from isoloss.laws.multimodal import TWO_MODALITIES
from isoloss.laws.overtraining import OVERTRAINING
from isoloss.laws.parallel import PARALLEL
from isoloss.laws.power import POWER
from isoloss.laws.precision import PRECISION, QUANTIZED
from isoloss.laws.repetition import DATA_CONSTRAINED
from isoloss.laws.skaling import SKALING
from isoloss.laws.surface import SURFACE
from isoloss.laws.transfer import FINE_TUNING, TRANSFER
from isoloss.laws.vocabulary import VOCABULARY

_LAWS = {
    law.name: law
    for law in (
        CHINCHILLA, SKALING, INTERACTION, SURFACE, COMPUTE, COMPUTE_OFFSET,
        POWER, KAPLAN_N, KAPLAN_D, KAPLAN_C, KAPLAN, CRITICAL_BATCH,
        FARSEER, OVERTRAINING, DATA_CONSTRAINED, *BROKEN,
        ROUTED, JOINT_EXPERTS, SPARSITY, PARALLEL, VOCABULARY, PRECISION, QUANTIZED,
        TRANSFER, FINE_TUNING, DISTILLATION, TWO_MODALITIES,
        ACCURACY, ERROR, LOSS_TO_LOSS,
        LEARNING_RATE, BATCH, LEARNING_RATE_COMPUTE, BATCH_COMPUTE,
    )
}  # fmt: skip


def law_names() -> tuple[str, ...]:
    """Names of the laws of the library."""
    return tuple(_LAWS)


def get_law(name_or_formula: str | Law, variables: Collection[str] = ()) -> Law:
    """A law of the library by its name, or any formula as a law.

    Variables of a formula are N, D, C, U, M, V, lr, the columns of the run table, and the
    further names in `variables`; every other name is a parameter, also B and E.

    Raises:
        NotFoundError: a single word that names no law.
        UsageError: a formula that is not allowed (see `isoloss.laws.formula`).

    >>> get_law("chinchilla").names
    ('E', 'A', 'B', 'alpha', 'beta')
    >>> get_law("a * N**-b").variables
    ('N',)
    """
    if isinstance(name_or_formula, Law):
        return name_or_formula
    text = name_or_formula.strip()
    name = text.lower().replace("-", "_")
    if name in _LAWS:
        return _LAWS[name]
    if re.fullmatch(r"[A-Za-z][\w-]*", text):
        close = difflib.get_close_matches(text, _LAWS, n=1)
        names = f"Did you mean {close[0]}?" if close else f"Laws: {', '.join(_LAWS)}."
        raise NotFoundError(
            f"no law is called {text!r}",
            hint=f"{names} Or give a formula such as 'E + A/N**alpha'.",
        )
    from isoloss.laws.formula import parse_law

    return parse_law(text, variables)
