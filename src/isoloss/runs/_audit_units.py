"""Checks of units: counts in billions, losses in bits, losses above that of guessing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from isoloss.runs._audit_evidence import Evidence, Finding, counted

_SMALLEST_N = 1e4
_SMALLEST_D = 1e4
_SENSIBLE_RATIO = (1e-3, 1e6)
_PREFIXES = {3: "thousands", 6: "millions", 9: "billions", 12: "trillions"}
# Chinchilla's law as refitted on its own points (arXiv:2404.10102): nats per token of web text
# with a vocabulary of 32,000. Public tables lie between 0.9 and 1.25 times it.
_REFERENCE = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
_BITS = 1.32
"""Measured over reference from which losses look like bits: 1 / ln 2 = 1.44."""
_ABOVE_GUESSING = 1.02
_SAYS_BITS = re.compile(r"\bbits?\b|\bbpb\b|bits?_per|per_bit", re.I)


def unit_findings(evidence: Evidence) -> Iterator[Finding]:
    """Counts that are no absolute numbers, and losses that are not in nats per token."""
    yield from _scaled_counts(evidence)
    yield from _declared_unit(evidence)
    yield from _bits(evidence)
    yield from _same_as_bits_per_byte(evidence)
    yield from _above_guessing(evidence)


def _scaled_counts(evidence: Evidence) -> Iterator[Finding]:
    """N or D that no model has, and N, D and C that belong together only times 1000."""
    import numpy as np

    n, d, c = (evidence.numbers(name) for name in ("N", "D", "C"))
    columns = {"N": evidence.n_name, "D": "tokens"}
    for symbol, values, least in (("N", n, _SMALLEST_N), ("D", d, _SMALLEST_D)):
        given = values[np.isfinite(values)]
        if len(given) and given.max() < least:
            yield _units(
                f"{symbol} ({columns[symbol]}) lies between {given.min():.3g} and"
                f" {given.max():.3g}: no model is that small; the column is in millions or"
                " billions",
                columns[symbol],
            )
            return
    ratio = c / (6 * n * d)
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    if len(ratio):
        power = 3 * round(math.log10(float(np.median(ratio))) / 3)
        if power != 0 and 0.02 < float(np.median(ratio)) / 10.0**power < 50:
            yield _units(
                f"C / (6 N D) is about 1e{power:+d}: N, D or C is counted in another unit"
                f" ({_PREFIXES.get(abs(power), 'powers of 1000')})",
                "tokens" if power > 0 else "flops",
            )
            return
    tokens_each = d / n
    tokens_each = tokens_each[np.isfinite(tokens_each)]
    low, high = _SENSIBLE_RATIO
    if len(tokens_each) and not low <= float(np.median(tokens_each)) <= high:
        column = "tokens" if float(np.median(tokens_each)) < low else evidence.n_name
        yield _units(
            f"D / N is {np.median(tokens_each):.2g} in the middle: N and D are counted in"
            " different units",
            column,
        )


def _units(message: str, column: str) -> Finding:
    return Finding(
        name="units",
        severity="error",
        message=message,
        cure=f'Counts are absolute: name the unit, e.g. --map "{column}=THEIR NAME:1e9".',
    )


def _declared_unit(evidence: Evidence) -> Iterator[Finding]:
    said = evidence.distinct("loss_unit")
    if len(said) > 1:
        yield Finding(
            name="mixed_loss_units",
            severity="error",
            message=f"the losses are in different units: {', '.join(said)}",
            cure="Convert them to one (bits times ln 2 are nats), or leave rows out.",
        )
    elif said and said[0] != "nats_per_token":
        yield Finding(
            name="loss_unit",
            severity="note",
            message=f"the losses are in {said[0]}: the constants of a law are not those of papers"
            " that give nats per token",
            cure="Compare exponents and optima; they do not depend on the unit.",
        )


def _bits(evidence: Evidence) -> Iterator[Finding]:
    """Losses that are as far above published ones as bits are above nats, or are called so."""
    import numpy as np

    if evidence.distinct("loss_unit"):
        return
    called = [
        (name, value)
        for name in evidence.labels() + _constant_texts(evidence)
        for value in evidence.distinct(name)
        if ("metric" in name or "loss" in name) and _SAYS_BITS.search(value)
    ]
    cure = "Multiply bits per token by ln 2 (0.6931), or say loss_unit in a column of the table."
    if called:
        name, value = called[0]
        yield Finding(
            name="bits",
            severity="warning",
            message=f"the column {name!r} says {value!r}, the table no loss_unit: the losses seem"
            " to be in bits",
            cure=cure,
        )
        return
    n, d, loss = (evidence.numbers(name) for name in ("N", "D", "L"))
    vocabulary = evidence.numbers("V")
    at_home = (n >= 1e7) & (d >= 1e8) & (d >= 2 * n) & ~(vocabulary < 16_000)
    if at_home.sum() < 3:
        return
    r = _REFERENCE
    expected = r["E"] + r["A"] / n[at_home] ** r["alpha"] + r["B"] / d[at_home] ** r["beta"]
    ratio = float(np.median(loss[at_home] / expected))
    if ratio >= _BITS:
        yield Finding(
            name="bits",
            severity="warning",
            message=f"the losses are {ratio:.2f} times those of a published law at the same N and"
            " D: they look like bits per token (bits are 1.44 times nats)",
            cure=cure,
        )


def _constant_texts(evidence: Evidence) -> list[str]:
    return [name for name in evidence.names() if len(evidence.distinct(name)) == 1]


def _same_as_bits_per_byte(evidence: Evidence) -> Iterator[Finding]:
    import numpy as np

    loss, per_byte = evidence.numbers("L"), evidence.numbers("bits_per_byte")
    both = np.isfinite(loss) & np.isfinite(per_byte)
    if evidence.distinct("loss_unit") or both.sum() < 2:
        return
    if np.allclose(loss[both], per_byte[both], rtol=1e-6):
        yield Finding(
            name="bits",
            severity="warning",
            message="the losses equal bits_per_byte: they are bits per byte, not nats per token",
            cure='Say so in a column loss_unit: "bits_per_byte".',
        )


def _above_guessing(evidence: Evidence) -> Iterator[Finding]:
    """No trained model is worse than one that gives every entry of the vocabulary its share."""
    import numpy as np

    if evidence.distinct("loss_unit") not in ([], ["nats_per_token"]):
        return
    loss, vocabulary = evidence.numbers("L"), evidence.numbers("V")
    rows = np.flatnonzero(loss > _ABOVE_GUESSING * np.log(vocabulary))
    if len(rows):
        row = int(rows[0])
        yield Finding(
            name="above_guessing",
            severity="warning",
            message=f"{counted(len(rows), 'loss', 'losses')} above ln V, that of guessing"
            f" ({loss[row]:.3f} against {math.log(vocabulary[row]):.3f}): diverged, not trained,"
            " or in bits",
            cure="Leave these rows out with a reason, or convert the unit.",
            rows=evidence.run_ids(rows.tolist()),
        )
