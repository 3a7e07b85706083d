"""What `plan` plans from: a fit, a law of the literature, several laws, or a chain to a metric."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.planning.hardware.ranges import Range
    from isoloss.planning.sources import Plannable
    from isoloss.runs import Runs

METRIC_LAW = "accuracy_sigmoid"
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


def runs_of(source: str) -> Runs | None:
    """The runs of a table, a store or a study; None for a published law and a saved fit."""
    from isoloss.cli._inputs import read_runs

    if is_published_law(source) or Path(source).suffix.lower() == ".json":
        return None
    return read_runs(source)


def read_plannable(
    source: str,
    runs: Runs | None,
    *,
    law: str | None,
    average: str | None,
    metric: str | None,
    metric_law: str | None,
) -> Plannable:
    """What the words of the command name; `runs` are those of `runs_of`.

    Raises:
        UsageError: words that exclude each other.
    """
    _check_laws(source, runs, law=law, average=average, metric=metric, metric_law=metric_law)
    if runs is None:
        from isoloss.cli._inputs import read_fit

        return source if is_published_law(source) else read_fit(source, law)
    from isoloss.fitting import compare, fit, fit_chain

    if average is not None:
        return compare(runs, [name.strip() for name in average.split(",") if name.strip()])
    loss_fit = fit(runs, law or "chinchilla")
    if metric is None:
        return loss_fit
    return fit_chain(loss_fit, fit(runs, metric_law or METRIC_LAW, target=metric))


def _check_laws(source: str, runs: Runs | None, **given: str | None) -> None:
    """Refuse flags that name laws where nothing is fitted, or where another flag names them."""
    flags = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    fitted = [flag for flag in flags if flag != "--law" or is_published_law(source)]
    if runs is None and fitted:
        raise UsageError(
            f"{', '.join(fitted)}: for laws that are fitted to runs; {source} has none",
            hint="Give a run table, or leave them out.",
        )
    if given["average"] is not None and len(flags) > 1:
        raise UsageError(
            "--average names the laws, so it excludes --law, --metric and --metric-law",
            hint="Leave out one of the two.",
        )
    if given["metric_law"] is not None and given["metric"] is None:
        raise UsageError(
            "--metric-law is the law of --metric, which is not given",
            hint="For example: --metric metric_accuracy=0.6",
        )


def ladder_recipe(runs: Runs | None) -> dict[str, Any] | None:
    """How the runs of a table were trained; None where there are none."""
    from isoloss.planning import recipe_of_runs

    return None if runs is None else recipe_of_runs(runs)


def utilisation_of(
    text: str | None, runs: Runs | None, hardware: str | None
) -> float | Range | None:
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
    if hardware is None or runs is None:
        raise UsageError(
            "--utilisation measured needs a run table, and --hardware: the device it ran on",
            hint="Give the table or the study instead of a fit.",
        )
    from isoloss.planning import hardware_choice, measured_utilisation

    return measured_utilisation(runs, hardware_choice(hardware).device)


def metric_target(text: str | None) -> tuple[str, float] | tuple[None, None]:
    """`metric_accuracy=0.6` as a column and a value; nothing where it is left out."""
    from isoloss.cli._options import numbers

    if text is None:
        return None, None
    ((column, value),) = numbers([text], "--metric").items()
    return column, value


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
