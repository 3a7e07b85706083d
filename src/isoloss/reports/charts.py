"""The figures of a study: what each shows, why one may be missing, its spec and its picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from isoloss.errors import NotFoundError
from isoloss.reports._numbers import (
    finite,
    interval_text,
    level_text,
    loss_text,
    power_text,
    short_text,
)
from isoloss.reports._reading import (
    Results,
    ladder,
    level,
    missing_measurement,
    part,
    rows,
    verdict,
)

NAMES = (
    "compute",
    "verification",
    "contours",
    "parameters",
    "tokens",
    "residuals",
    "backtest",
)
_SVG_WIDTH = 680


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure.

    Attributes:
        name: what `figure_svg` calls it.
        title: its heading.
        caption: one sentence on how to read it.
        description: what a reader who cannot see it is told.
        spec: the Vega-Lite spec, None where there is nothing to draw.
        reason: why there is nothing to draw; empty where there is.
    """

    name: str
    title: str
    caption: str
    description: str
    spec: dict[str, Any] | None
    reason: str


def figures(results: Results) -> dict[str, dict[str, Any]]:
    """Vega-Lite specs by name, without those that have nothing to show."""
    return {figure.name: figure.spec for figure in drawings(results) if figure.spec is not None}


def figure_svg(results: Results, name: str) -> bytes:
    """One figure as SVG; equal results give equal bytes on one machine.

    Raises:
        NotFoundError: there is no figure of that name, or these results have nothing for it.
    """
    drawn = {figure.name: figure for figure in drawings(results)}
    if name not in drawn:
        raise NotFoundError(f"there is no figure {name!r}", hint=f"Take one of {', '.join(drawn)}.")
    figure = drawn[name]
    if figure.spec is None:
        raise NotFoundError(
            f"these results have no figure {name!r}: {figure.reason}",
            hint="The others are drawn without it.",
        )
    import vl_convert

    from isoloss.reports._theme import LIGHT, chart_config

    config = {**chart_config(LIGHT), "background": LIGHT.background}
    spec = {**figure.spec, "width": _SVG_WIDTH, "config": config}
    return _renumbered(vl_convert.vegalite_to_svg(spec), name).encode("utf-8")


def _renumbered(svg: str, name: str) -> str:
    """The picture with identifiers of its own: Vega counts them through all that it ever drew.

    >>> _renumbered('<clipPath id="clip7"/><g clip-path="url(#clip7)"/>', "compute")
    '<clipPath id="compute-0"/><g clip-path="url(#compute-0)"/>'
    """
    found = list(dict.fromkeys(re.findall(r'\bid="([A-Za-z_]+\d+)"', svg)))
    names = {old: f"{name}-{number}" for number, old in enumerate(found)}
    return re.sub(
        r'(\bid="|url\(#|href="#)([A-Za-z_]+\d+)(?=["\)])',
        lambda match: match[1] + names.get(match[2], match[2]),
        svg,
    )


def drawings(results: Results) -> tuple[Figure, ...]:
    """Every figure in the order of the page, drawn or with the reason why not.

    Those of a task come last, where there is one.
    """
    from isoloss.reports.task_chart import task_drawings

    return (*(_DRAW[name](results) for name in NAMES), *task_drawings(results))


def _figure(
    results: Results,
    name: str,
    words: tuple[str, str, str],
    draw: Callable[[Results, str], dict[str, Any]],
    reason: str,
) -> Figure:
    title, caption, description = words
    return Figure(
        name=name,
        title=title,
        caption=caption,
        description=description,
        spec=None if reason else draw(results, description),
        reason=reason,
    )


def _no_runs(results: Results) -> str:
    return "" if ladder(results) else "No run of the ladder finished."


def _extent(results: Results) -> str:
    runs = ladder(results)
    if not runs:
        return "no runs"
    losses = [run.loss for run in runs]
    computes = [run.flops for run in runs]
    return (
        f"{len(runs)} runs of {power_text(min(computes))} to {power_text(max(computes))} FLOP "
        f"with losses of {loss_text(min(losses))} to {loss_text(max(losses))}"
    )


def _outcome(results: Results) -> str:
    row = part(results, "verification")
    if not row:
        return "no registered prediction"
    told = f"predicted {loss_text(row.get('predicted'))}"
    interval = interval_text(row.get("low"), row.get("high"))
    if finite(row.get("low")) is not None:
        told += f" {interval}"
    return f"{told}, measured {loss_text(row.get('measured'))}, {verdict(results)}"


def _compute(results: Results) -> Figure:
    from isoloss.reports._loss_figures import compute_figure

    band = level(results)
    caption = (
        "Each dot is a run of the ladder, the line is the lowest loss that the law reaches at "
        f"each compute with its {band} band, the open circle with its bar is the prediction "
        f"registered before the largest run with its {band} interval, and "
    )
    absent = missing_measurement(results)
    caption += "the diamond is what that run measured." if not absent else f"nothing: {absent}"
    if absent:
        caption = caption.replace("and nothing: ", "without a measured loss: ")
    words = (
        "Loss against compute",
        caption,
        f"Loss against training compute: {_extent(results)}; {_outcome(results)}.",
    )
    return _figure(results, "compute", words, compute_figure, _no_runs(results))


def _verification(results: Results) -> Figure:
    from isoloss.reports._loss_figures import verification_figure

    words = (
        "Prediction and measurement, magnified",
        f"The registered prediction with its {level(results)} interval (shaded), the loss that "
        "the run measured, and what the baseline L(C), a power law in compute alone, predicted.",
        f"The verification run: {_outcome(results)}.",
    )
    drawable = finite(part(results, "verification").get("predicted")) is not None
    drawable = drawable and finite(part(results, "verification").get("flops")) is not None
    reason = "" if drawable else "No prediction was registered."
    return _figure(results, "verification", words, verification_figure, reason)


def _contours(results: Results) -> Figure:
    from isoloss.reports._check_figures import contours_figure

    grid = part(part(results, "curves"), "contours")
    drawable = all(len(grid.get(name) or ()) >= 2 for name in ("n", "d", "loss"))
    words = (
        "Lines of equal loss over N and D",
        "Every line joins the model sizes and token counts for which the law predicts the same "
        "loss; dots are the runs, the diamond is the verification run, and the dashed line is "
        "the cheapest way down.",
        _contour_words(results),
    )
    reason = "" if drawable else "The law was not evaluated on a grid of N and D."
    return _figure(results, "contours", words, contours_figure, reason or _no_runs(results))


def _contour_words(results: Results) -> str:
    runs = ladder(results)
    if not runs:
        return "Lines of equal loss."
    ns, ds = [run.n for run in runs], [run.d for run in runs]
    return (
        f"Lines of equal loss over parameters and tokens, with runs of {short_text(min(ns))} to "
        f"{short_text(max(ns))} parameters on {short_text(min(ds))} to {short_text(max(ds))} "
        "tokens; loss falls towards more of both."
    )


def _parameters(results: Results) -> Figure:
    from isoloss.reports._loss_figures import parameters_figure

    words = (
        "Loss against N",
        "Each line is the fitted law at one token count of the ladder, and the dots are the runs "
        "with about that many tokens.",
        f"Loss against parameters: {_extent(results)}; the law falls with more parameters.",
    )
    return _figure(results, "parameters", words, parameters_figure, _no_runs(results))


def _tokens(results: Results) -> Figure:
    from isoloss.reports._loss_figures import tokens_figure

    words = (
        "Loss against D",
        "Each line is the fitted law of one model size, and the dots are the runs of that size.",
        f"Loss against training tokens: {_extent(results)}; the law falls with more tokens.",
    )
    return _figure(results, "tokens", words, tokens_figure, _no_runs(results))


def _residuals(results: Results) -> Figure:
    from isoloss.reports._check_figures import residuals_figure

    noise = part(results, "noise")
    spread = finite(noise.get("sd_percent"))
    if spread is None:
        reason = noise.get("reason") or "noise between seeds was not measured"
        band = f"there is no band of noise ({str(reason).rstrip('.')})"
    else:
        band = f"the shaded band is twice the noise between seeds (±{2 * spread:.2f}%)"
    found = rows(results, "residuals")
    largest = max((abs(finite(row.get("residual_percent")) or 0) for row in found), default=0)
    words = (
        "Residuals",
        f"How far each run lies from the law, in per cent of its loss; {band}.",
        f"Residuals of {len(found)} runs, the largest {largest:.2f}% of the loss.",
    )
    reason = "" if found else "There are no residuals: the law was not fitted."
    return _figure(results, "residuals", words, residuals_figure, reason)


def _backtest(results: Results) -> Figure:
    from isoloss.reports._check_figures import backtest_figure

    found = rows(results, "backtest")
    inside = sum(bool(row.get("inside")) for row in found)
    words = (
        "Backtest: predicted against measured",
        "Each dot is a run predicted by a law fitted without it and the larger ones, with its "
        f"{level_text(_backtest_level(results))} interval; on the dashed line predictions are "
        "exact, and crosses are the baseline L(C).",
        f"Backtest of {len(found)} runs, {inside} of them inside their interval.",
    )
    reason = "" if found else str(results.get("backtest_reason") or "No run was held out.")
    return _figure(results, "backtest", words, backtest_figure, reason)


def _backtest_level(results: Results) -> float:
    return finite(part(results, "verification").get("level")) or 0.9


_DRAW: dict[str, Callable[[Results], Figure]] = {
    "compute": _compute,
    "verification": _verification,
    "contours": _contours,
    "parameters": _parameters,
    "tokens": _tokens,
    "residuals": _residuals,
    "backtest": _backtest,
}
