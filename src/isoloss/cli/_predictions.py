"""Where `predict` goes: a fit, a published law, or the closed form of the plain power law."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.cli._answer import Answer
from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.fitting import Fit, PowerFit, ScaledPredictions

POINTS = 9
"""Rows of a table of budgets."""


@dataclass(frozen=True, kw_only=True)
class AskedPrediction:
    """What the words of the command say."""

    source: str
    law: str | None
    target: str | None
    columns: Mapping[str, str] | None
    kind: str | None
    level: float | None

    @classmethod
    def of(cls, *, source: str | None, law: str | None, **others: Any) -> AskedPrediction:
        """The words; `--law published:NAME` names the source itself.

        Raises:
            UsageError: no source, or a published law beside one, or beside what takes runs.
        """
        named = law is not None and law.startswith("published:")
        if source is not None and named:
            raise UsageError(
                f"{law} has its constants, so it is not fitted to {source}",
                hint="Leave out one of the two.",
            )
        if source is None and not named:
            raise UsageError(
                "predict needs a fit, a run table or a published law",
                hint="For example: isoloss predict published:epoch --n 70B --d 2T",
            )
        if source is None:
            source, law = law, None
        asked = cls(source=str(source), law=law, **others)
        flags = {"law": "--law", "target": "--target", "columns": "--map", "kind": "--kind",
                 "level": "--level"}  # fmt: skip
        taken = [flag for name, flag in flags.items() if getattr(asked, name) is not None]
        if taken and asked.published:
            raise UsageError(
                f"{asked.source} has constants, and neither runs nor an interval:"
                f" {', '.join(taken)} would change nothing",
                hint=f"Leave out {taken[0]}, or give a run table.",
            )
        return asked

    @property
    def interval(self) -> dict[str, Any]:
        """Kind and level of the interval, as `predict` of a fit takes them."""
        return {"kind": "mean" if self.kind is None else self.kind, "level": self.level_or_default}

    @property
    def level_or_default(self) -> float:
        """The level of intervals."""
        return 0.9 if self.level is None else self.level

    @property
    def power(self) -> bool:
        """Whether the closed form is asked for."""
        return (self.law or "").strip().lower() == "power"

    @property
    def published(self) -> bool:
        """Whether the source is a published law."""
        from isoloss.cli._plans import is_published_law

        return is_published_law(self.source)


def answered(
    asked: AskedPrediction,
    variables: Mapping[str, float],
    *,
    loss: float | None,
    budgets: tuple[float | None, float | None, int | None],
    scale: str | None,
    unique_tokens: float | None,
    output: Path | None,
) -> Answer:
    """The one question that the flags ask.

    Raises:
        UsageError: several questions at once.
    """
    questions = {
        "--n, --d and --at": bool(variables),
        "--loss": loss is not None,
        "--from and --to": budgets[0] is not None or budgets[1] is not None,
        "--scale": scale is not None,
    }
    several = [name for name, is_asked in questions.items() if is_asked]
    if len(several) > 1 and several != ["--n, --d and --at", "--scale"]:  # told by `scaled`
        raise UsageError(
            f"{several[0]} cannot go with {several[1]}", hint="Ask one question at a time."
        )
    if output is not None and scale is None:
        raise UsageError("-o writes the figure of --scale", hint="For example --scale 2,4,8.")
    if budgets[2] is not None and several != ["--from and --to"]:
        raise UsageError("--points goes with --from and --to")
    if asked.kind is not None and several in (["--loss"], ["--from and --to"]):
        raise UsageError(
            f"--kind cannot go with {several[0]}: it is about the prediction for a point",
            hint="Leave out --kind, or give --n and --d.",
        )
    if unique_tokens is not None and not (loss or budgets[0] or budgets[1]):
        if not asked.published:
            raise UsageError("--unique-tokens goes with --loss, or --from and --to")
        variables = {**variables, "U": unique_tokens}
    if scale is not None:
        return scaled(asked, scale, variables, output)
    if loss is not None:
        return cheapest(asked, loss, unique_tokens)
    if several == ["--from and --to"]:
        return optimal(asked, budgets, unique_tokens)
    return predicted(asked, variables)


def cheapest(asked: AskedPrediction, loss: float, unique_tokens: float | None) -> Answer:
    """The cheapest N and D that reach a loss."""
    from isoloss.planning import plan

    source = _plannable(asked)
    found = plan(source, loss=loss, unique_tokens=unique_tokens, level=asked.level_or_default)
    return Answer(document=found.to_dict(), text=found.brief())


def optimal(
    asked: AskedPrediction,
    budgets: tuple[float | None, float | None, int | None],
    unique_tokens: float | None,
) -> Answer:
    """The best split of every budget of a range."""
    from isoloss.planning.optima import budgets_between, optimal_splits

    start, end, points = budgets
    if start is None or end is None:
        raise UsageError("--from and --to go together", hint="For example --from 1e21 --to 1e25.")
    table = optimal_splits(
        _plannable(asked),
        budgets_between(start, end, POINTS if points is None else points),
        unique_tokens=unique_tokens,
        level=asked.level_or_default,
    )
    return Answer(document=table.to_dict(), text=table.summary())


def _plannable(asked: AskedPrediction) -> Any:
    if asked.power:
        raise UsageError(
            "--law power splits no budget: it has no trade-off between N and D of its own",
            hint="Ask with --law chinchilla, or a published law.",
        )
    return asked.source if asked.published else _fit(asked)


def predicted(asked: AskedPrediction, variables: Mapping[str, float]) -> Answer:
    """One prediction."""
    if asked.published:
        from isoloss.planning.published_prediction import predict_published

        found = predict_published(asked.source, **variables)
        return Answer(document=found.to_dict(), text=found.summary())
    source = _power_fit(asked) if asked.power else _fit(asked)
    prediction = source.predict(**variables, **asked.interval)
    document = prediction.to_dict() | ({"fit": source.to_dict()} if asked.power else {})
    text = prediction.summary()
    if asked.power:
        text = f"{text}\n\n{source.summary()}"
    return Answer(document=document, text=text)


def scaled(
    asked: AskedPrediction, factors: str, variables: Mapping[str, float], output: Path | None
) -> Answer:
    """Predictions at multiples of the largest run, as a table and, if asked for, a figure."""
    if asked.published:
        raise UsageError("--scale starts from the largest run; a published law has none")
    if variables:
        raise UsageError(
            f"--scale starts from the largest run, not from {', '.join(variables)}",
            hint="Leave out --n, --d and --at, or --scale.",
        )
    numbers = _factors(factors)
    if asked.power:
        fit = _power_fit(asked)
        table = fit.scale(*numbers, **asked.interval)
        document, text = table.to_dict() | {"fit": fit.to_dict()}, fit.summary() + "\n\n"
    else:
        from isoloss.fitting import scale_fit

        table = scale_fit(_fit(asked), numbers, **asked.interval)
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


def _power_fit(asked: AskedPrediction) -> PowerFit:
    from isoloss.cli._inputs import is_fit, read_runs
    from isoloss.fitting import fit_power

    path = Path(asked.source)
    if path.is_file() and path.suffix.lower() == ".json" and is_fit(path):
        raise UsageError(
            f"{asked.source} is a fit and has its law", hint="Give a run table for --law power."
        )
    runs = read_runs(asked.source, asked.columns)
    return fit_power(runs, asked.target or "loss", level=asked.level_or_default)


def _fit(asked: AskedPrediction) -> Fit:
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
