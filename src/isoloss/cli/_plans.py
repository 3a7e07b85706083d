"""What `plan` plans from: a fit, a law of the literature, several laws, or a chain to a metric."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.planning.hardware.ranges import Range
    from isoloss.planning.sources import Plannable

AIMS = ("flops", "gpu_hours", "money", "days", "loss", "metric")


def is_published_law(source: str) -> bool:
    """Whether `published:NAME` names a law; the catalogue has run tables of that form too."""
    if not source.startswith("published:"):
        return False
    from isoloss.planning.published import published_law, published_names
    from isoloss.runs.catalogue import published_tables

    name = source.removeprefix("published:")
    if name not in published_names() and name in {table.name for table in published_tables()}:
        return False
    published_law(source)  # raises with the closest name
    return True


def read_plannable(
    source: str, law: str | None, average: str | None, metric: Mapping[str, str], metric_law: str
) -> Plannable:
    """What the words of the command name.

    Raises:
        UsageError: words that exclude each other.
    """
    from isoloss.cli._inputs import read_fit, read_runs

    if average is None and not metric:
        return source if is_published_law(source) else read_fit(source, law)
    if is_published_law(source):
        raise UsageError(
            "--average and --metric fit laws to runs; a published law has none",
            hint="Give a run table, or leave them out.",
        )
    if average is not None:
        if metric or law is not None:
            raise UsageError("--average names the laws, so it excludes --law and --metric")
        from isoloss.fitting import compare

        laws = [name.strip() for name in average.split(",") if name.strip()]
        return compare(read_runs(source), laws)
    from isoloss.fitting import fit, fit_chain

    runs = read_runs(source)
    (target,) = metric
    return fit_chain(fit(runs, law or "chinchilla"), fit(runs, metric_law, target=target))


def ladder_recipe(source: str) -> dict[str, Any] | None:
    """How the runs of a table were trained; None for a published law or a saved fit."""
    from isoloss.cli._inputs import read_runs
    from isoloss.planning import recipe_of_runs

    if is_published_law(source) or Path(source).suffix.lower() == ".json":
        return None
    return recipe_of_runs(read_runs(source))


def utilisation_of(text: str | None, source: str, hardware: str | None) -> float | Range | None:
    """A number, or what the runs of a table reached on the device that they ran on.

    Raises:
        UsageError: neither a number nor `measured`, or there are no runs to measure.
    """
    if text is None:
        return None
    if text.strip().lower() != "measured":
        try:
            return float(text)
        except ValueError:
            raise UsageError(
                f"--utilisation expects a number between 0 and 1 or `measured`, found {text!r}"
            ) from None
    if hardware is None or is_published_law(source) or Path(source).suffix.lower() == ".json":
        raise UsageError(
            "--utilisation measured needs a run table, and --hardware: the device it ran on",
            hint="Give the table or the study instead of a fit.",
        )
    from isoloss.cli._inputs import read_runs
    from isoloss.planning import hardware_choice, measured_utilisation

    return measured_utilisation(read_runs(source), hardware_choice(hardware).device)


def metric_target(text: str | None) -> dict[str, str]:
    """`metric_accuracy=0.6` as one pair."""
    from isoloss.cli._options import numbers, pairs

    if text is None:
        return {}
    numbers([text], "--metric")
    return pairs([text], "--metric")


def check_one_aim(given: Mapping[str, Any]) -> None:
    """Say which flags there are, where none or several are given."""
    found = [name for name in AIMS if given[name] is not None]
    if len(found) != 1:
        flags = [f"--{name.replace('_', '-')}" for name in AIMS]
        raise UsageError(
            "a plan takes one budget or target, found "
            + (", ".join(f"--{name.replace('_', '-')}" for name in found) or "none"),
            hint=f"Give one of {', '.join(flags)}.",
        )
