"""What charts, tables and the summary read from the results, each fact in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from isoloss.reports._numbers import finite, level_text
from isoloss.runs import usable

Results = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run with everything that a chart needs: N in the fit's convention, D, C and loss."""

    run_id: str
    role: str
    n: float
    d: float
    flops: float
    loss: float


def part(results: Results, name: str) -> Mapping[str, Any]:
    """A named part, empty where it is missing."""
    value = results.get(name)
    return value if isinstance(value, Mapping) else {}


def rows(results: Results, name: str) -> Sequence[Mapping[str, Any]]:
    """A named list of records, empty where it is missing."""
    value = results.get(name)
    return value if isinstance(value, (list, tuple)) else ()


def n_convention(results: Results) -> str:
    """The column that N means in this fit."""
    return str(part(results, "fit").get("n_convention") or "params_matmul")


def flops_convention(results: Results) -> str:
    """How C was counted, or that nobody said."""
    return str(part(results, "fit").get("flops_convention") or "not stated")


def level(results: Results) -> str:
    """The level of the registered interval, as text."""
    return level_text(finite(part(results, "verification").get("level")) or 0.9)


def loss_unit(results: Results) -> str:
    """The unit that all runs share, with spaces."""
    units = {str(row.get("loss_unit") or "nats_per_token") for row in rows(results, "runs")}
    return units.pop().replace("_", " ") if len(units) == 1 else "nats per token"


def ladder(results: Results) -> list[Run]:
    """The finished runs that the law was fitted to."""
    n_name = n_convention(results)
    found = []
    for row in rows(results, "runs"):
        if row.get("role") == "verification" or not usable(row):
            continue
        numbers = [finite(row.get(name)) for name in (n_name, "tokens", "flops", "loss")]
        if all(number is not None and number > 0 for number in numbers):
            n, d, flops, loss = (float(number or 0) for number in numbers)
            found.append(
                Run(
                    run_id=str(row.get("run_id") or row.get("name") or ""),
                    role=str(row.get("role") or "ladder"),
                    n=n,
                    d=d,
                    flops=flops,
                    loss=loss,
                )
            )
    return found


def verdict(results: Results) -> str:
    """Where the measured loss lies: `inside the 90% interval`, `outside …`, or not measured."""
    verification = part(results, "verification")
    if finite(verification.get("measured")) is None:
        return "not measured"
    if verification.get("inside") is None:
        return "no interval"
    side = "inside" if verification["inside"] else "outside"
    return f"{side} the {level(results)} interval"


def missing_measurement(results: Results) -> str:
    """Why the verification has no measured loss; empty where it has one."""
    verification = part(results, "verification")
    if not verification:
        return "No prediction was registered."
    if finite(verification.get("measured")) is not None:
        return ""
    return str(verification.get("reason") or "The verification run has not finished.")


def head_share(results: Results) -> tuple[float, float] | None:
    """Smallest and largest share of the output head in N over the ladder; None if unknown.

    Small models with a large vocabulary are mostly head, and their exponents say so. The share
    is only meaningful for conventions that count the head.
    """
    if n_convention(results) not in ("params_matmul", "params_total"):
        return None
    shares = []
    for row in rows(results, "runs"):
        head = [finite(row.get(name)) for name in ("vocab_size", "d_model", n_convention(results))]
        if all(number is not None and number > 0 for number in head):
            vocabulary, width, n = (float(number or 0) for number in head)
            shares.append(vocabulary * width / n)
    return (min(shares), max(shares)) if shares else None


def conventions(results: Results) -> str:
    """One line on how N and C were counted, for every figure and table."""
    line = f"N: {n_convention(results)}"
    share = head_share(results)
    if share is not None:
        low, high = (f"{100 * value:.0f}" for value in share)
        line += f" (output head {low if low == high else f'{low} to {high}'}% of it)"
    return f"{line} · C: {flops_convention(results)} FLOP · loss in {loss_unit(results)}"


def failed_checks(results: Results) -> list[Mapping[str, Any]]:
    """The checks of the fit that did not pass."""
    return [check for check in rows(part(results, "fit"), "checks") if not check.get("passed")]


def best_form(results: Results) -> Mapping[str, Any]:
    """The form with the largest weight, or the fit itself where forms were not compared."""
    forms = rows(results, "forms")
    if not forms:
        return part(results, "fit")
    return max(forms, key=lambda form: finite(form.get("weight")) or 0.0)


def baseline_of(row: Mapping[str, Any]) -> float | None:
    """The baseline's prediction of a backtested run: a number, or a record that holds it."""
    value = row.get("baseline")
    return finite(value.get("predicted")) if isinstance(value, Mapping) else finite(value)


def aim_text(results: Results) -> str:
    """A sentence on what was trained, where it is not a causal decoder of the default family."""
    study = part(results, "study")
    objective, architecture = study.get("objective"), study.get("architecture")
    if objective in (None, "causal") and architecture in (None, "decoder"):
        return ""
    words = str(objective or "causal").replace("_", " ")
    return f" Models of kind {architecture}, trained for the objective {words}."
