"""Where `predict` goes: to a fit, or to the closed form of the plain power law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.cli._answer import Answer
from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.fitting import Fit, PowerFit, ScaledPredictions


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What the words of the command say."""

    source: str
    law: str | None
    target: str | None
    columns: Mapping[str, str] | None
    kind: str
    level: float

    @property
    def power(self) -> bool:
        """Whether the closed form is asked for."""
        return (self.law or "").strip().lower() == "power"


def predicted(asked: Asked, variables: Mapping[str, float], output: Path | None) -> Answer:
    """One prediction."""
    if output is not None:
        raise UsageError("-o writes the figure of --scale", hint="For example --scale 2,4,8.")
    settings: dict[str, Any] = {"level": asked.level, "kind": asked.kind}
    source = _power_fit(asked) if asked.power else _fit(asked)
    prediction = source.predict(**variables, **settings)
    document = prediction.to_dict() | ({"fit": source.to_dict()} if asked.power else {})
    text = prediction.summary()
    if asked.power:
        text = f"{text}\n\n{source.summary()}"
    return Answer(document=document, text=text)


def scaled(
    asked: Asked, factors: str, variables: Mapping[str, float], output: Path | None
) -> Answer:
    """Predictions at multiples of the largest run, as a table and, if asked for, a figure."""
    if variables:
        raise UsageError(
            f"--scale starts from the largest run, not from {', '.join(variables)}",
            hint="Leave out --n, --d and --at, or --scale.",
        )
    numbers = _factors(factors)
    if asked.power:
        fit = _power_fit(asked)
        table = fit.scale(*numbers, kind=asked.kind, level=asked.level)  # type: ignore[arg-type]
        document, text = table.to_dict() | {"fit": fit.to_dict()}, fit.summary() + "\n\n"
    else:
        from isoloss.fitting import scale_fit

        table = scale_fit(_fit(asked), numbers, kind=asked.kind, level=asked.level)  # type: ignore[arg-type]
        document, text = table.to_dict(), ""
    text += table.summary()
    if output is not None:
        _draw(table, output)
        document, text = document | {"paths": {"figure": str(output)}}, f"{text}\n\nSaved {output}"
    return Answer(document=document, text=text)


def _factors(text: str) -> list[float]:
    """`2,4,8` as numbers."""
    try:
        numbers = [float(part) for part in text.replace("x", "").split(",") if part.strip()]
    except ValueError:
        numbers = []
    if not numbers:
        raise UsageError(f"--scale expects factors such as 2,4,8, found {text!r}")
    return numbers


def _power_fit(asked: Asked) -> PowerFit:
    from isoloss.cli._inputs import is_fit, read_runs
    from isoloss.fitting import fit_power

    path = Path(asked.source)
    if path.is_file() and path.suffix.lower() == ".json" and is_fit(path):
        raise UsageError(
            f"{asked.source} is a fit and has its law", hint="Give a run table for --law power."
        )
    runs = read_runs(asked.source, asked.columns)
    return fit_power(runs, asked.target or "loss", level=asked.level)


def _fit(asked: Asked) -> Fit:
    """A saved fit, or one of the run table with the defaults."""
    from isoloss.cli._inputs import read_fit, read_runs

    if asked.target is None and asked.columns is None:
        return read_fit(asked.source, asked.law)
    if Path(asked.source).suffix.lower() == ".json":
        raise UsageError(
            f"{asked.source} is a fit: --target and --map are for run tables",
            hint="Leave them out, or give the table.",
        )
    from isoloss.fitting import fit

    runs = read_runs(asked.source, asked.columns)
    return fit(runs, asked.law or "chinchilla", target=asked.target)


def _draw(table: ScaledPredictions, output: Path) -> None:
    from isoloss.reports.scaled_chart import ScaledPoint, write_scaled_svg

    points = [
        ScaledPoint(
            factor=row.factor,
            value=row.prediction.loss,
            low=row.prediction.low,
            high=row.prediction.high,
            at=row.prediction.at,
        )
        for row in table.rows
    ]
    write_scaled_svg(output, points, target=table.target, level=table.level)
