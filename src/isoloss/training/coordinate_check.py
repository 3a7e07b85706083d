"""The coordinate check: do wider models move as much as narrow ones in the first steps?

Under µP what a step changes (attention and feed-forward outputs, the residual stream, the logits)
is as large at every width, which is why a learning rate found on a small model holds on a large
one (arXiv:2203.03466, §7 and Figure 5; arXiv:2310.17813). The check trains models that differ in
width alone for a few steps at one learning rate, and fits for each layer

    change ~ width^slope,  change = sqrt(mean((x_t - x_0)²)) on a fixed batch.

µP predicts slopes of 0. A wrong rule shows as a multiple of 1/2 in the limit of wide models, so a
slope is called 0 within half of that, `TOLERANCE`. Two of the quantities need a word:

* `target logit` is the mean over positions of the change of the true next token's logit against
  the mean logit, the part of the change that lowers the loss. Its slope is clean at small widths.
* `logits` (all of them) may fall: their first values are N(0, 1/width²), so what the random head
  makes of moved features shrinks as width^(-1/2). They must not grow.

The outcome speaks of first steps only, without gradient clipping, at a constant rate.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from isoloss.architecture import TransformerConfig, config_for_width
from isoloss.errors import UsageError
from isoloss.training._coordinates import TARGET, Sizes, measured_sizes
from isoloss.training.parameterization import SCALING_STARTS
from isoloss.training.recipe import OptimizerName, Parameterization, Recipe

TOLERANCE = 0.25
"""Half of the smallest exponent, 1/2, that a wrong rule gives in the limit."""
VOCABULARY, CONTEXT = 64, 32
_GROWTH_ONLY = ("logits",)

Status = Literal["passed", "failed", "unclear"]


@dataclass(frozen=True, kw_only=True)
class LayerSlope:
    """How one layer's change follows the width.

    Attributes:
        layer: its name.
        slope: exponent of the change in the width, over all steps; not-a-number where it did not
            move or was not finite.
        stderr: standard error of `slope` over seeds.
        by_step: the exponent after each step.
        size_slope: exponent of the size itself (not its change) after the last step.
        passed: within `TOLERANCE` of 0; of `logits`, not above it.
    """

    layer: str
    slope: float
    stderr: float
    by_step: tuple[float, ...]
    size_slope: float
    passed: bool


@dataclass(frozen=True, kw_only=True)
class CoordinateCheck:
    """The outcome of a coordinate check.

    Attributes:
        family, optimizer, parameterization, initialisation: what was checked.
        learning_rate: AdamW's base rate, that of the narrowest model.
        widths, steps, seeds: of the models, and the number of seeds.
        slopes: one a layer, from the bottom of the model to the top.
        sizes: size and change of every layer, width, seed and step.
        status: `passed`, `failed`, or `unclear` (seeds differ too much, or nothing moved).
        message: what was found, with its cause.
        cure: what to do; empty when it passed.
    """

    family: str
    optimizer: str
    parameterization: str
    initialisation: str
    learning_rate: float
    widths: tuple[int, ...]
    steps: int
    seeds: int
    slopes: tuple[LayerSlope, ...]
    sizes: tuple[Sizes, ...]
    status: Status
    message: str
    cure: str

    @property
    def passed(self) -> bool:
        """Whether every layer moves as much at every width."""
        return self.status == "passed"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON and for the figure."""
        return {**asdict(self), "passed": self.passed, "tolerance": TOLERANCE}

    def summary(self) -> str:
        """A table of the slopes and the verdict, 80 columns."""
        steps = " ".join(f"step {step + 1:>2}" for step in range(min(self.steps, 4)))
        lines = [
            f"{self.family}, {self.optimizer}, {self.parameterization}, first values"
            f" {self.initialisation}",
            f"widths {', '.join(map(str, self.widths))}; {self.seeds} seeds; learning rate"
            f" {self.learning_rate:g} at width {self.widths[0]}",
            "Exponent of the change in the width (0: as much at every width)",
            f"{'layer':<31} {'slope':>13}   {steps}",
        ]
        for row in self.slopes:
            each = " ".join(f"{_signed(slope):>7}" for slope in row.by_step[:4])
            mark = " " if row.passed else "✗"
            error = "" if math.isnan(row.stderr) else f"± {row.stderr:.2f}"
            lines.append(f"{row.layer:<31} {_signed(row.slope):>6} {error:<6} {mark} {each}")
        lines += textwrap.wrap(f"{self.status}: {self.message}", 80)
        lines += textwrap.wrap(self.cure, 80)
        return "\n".join(lines)


def check_coordinates(
    *,
    family: str = "isoloss",
    optimizer: OptimizerName = "adamw",
    parameterization: Parameterization = "mup",
    widths: Sequence[int] = (32, 64, 128, 256),
    steps: int = 4,
    seeds: int = 3,
    learning_rate: float = 0.002,
    n_layer: int = 2,
    options: Mapping[str, Any] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> CoordinateCheck:
    """Train models of several widths for a few steps, and judge how their changes follow it.

    Args:
        family: of `isoloss.architecture.FAMILIES`; any kind of model.
        optimizer, parameterization: as in `Recipe`.
        widths: at least two, of whole heads.
        steps: training steps, at least 1.
        seeds: at least 2; each has its own first weights and batches.
        learning_rate: AdamW's at the narrowest width; Muon's own rate stays the recipe's.
        n_layer: depth (of each side of an encoder-decoder).
        options: further fields of `TransformerConfig`. First values are `fan_in` under µP and
            the family's otherwise, unless `initialisation` is here.
        on_progress: called with one line after each width.

    Raises:
        UsageError: settings that do not fit, or a shape that µP does not know.

    >>> check = check_coordinates(widths=(16, 32), steps=1, seeds=2, n_layer=1)
    >>> [row.layer for row in check.slopes][:3]
    ['embedding', 'block 1 attention', 'block 1 feed-forward']
    """
    widths = tuple(sorted(set(widths)))
    if len(widths) < 2 or steps < 1 or seeds < 2:
        raise UsageError(
            "the coordinate check needs two widths, one step and two seeds at least; found"
            f" {len(widths)}, {steps} and {seeds}",
            hint="For example: widths 32, 64, 128, 256; 4 steps; 3 seeds.",
        )
    chosen = {
        **({"initialisation": "fan_in"} if parameterization == "mup" else {}),
        **(options or {}),
    }
    recipe = Recipe(
        optimizer=optimizer,
        parameterization=parameterization,
        base_learning_rate=learning_rate,
        base_width=widths[0],
    )
    configs = [_config(width, family, n_layer, chosen) for width in widths]
    sizes: list[Sizes] = []
    for config in configs:
        sizes += measured_sizes(config, recipe, steps=steps, seeds=seeds)
        if on_progress is not None:
            on_progress(f"width {config.d_model}: {seeds} models, {steps} steps each")
    slopes = layer_slopes(sizes, widths)
    status, message, cure = _verdict(slopes, recipe, configs[0], sizes)
    return CoordinateCheck(
        family=family,
        optimizer=optimizer,
        parameterization=parameterization,
        initialisation=configs[0].initialisation,
        learning_rate=learning_rate,
        widths=widths,
        steps=steps,
        seeds=seeds,
        slopes=slopes,
        sizes=tuple(sizes),
        status=status,
        message=message,
        cure=cure,
    )


def _config(width: int, family: str, n_layer: int, options: Mapping[str, Any]) -> TransformerConfig:
    sizes: dict[str, Any] = {"vocab_size": VOCABULARY, "context_length": CONTEXT, **options}
    return config_for_width(width, family=family, n_layer=n_layer, **sizes)


def layer_slopes(sizes: Sequence[Sizes], widths: Sequence[int]) -> tuple[LayerSlope, ...]:
    """The exponents of every layer, in the order in which the layers come in `sizes`."""
    layers = list(dict.fromkeys(row.layer for row in sizes))
    last = max(row.step for row in sizes)
    seeds = sorted({row.seed for row in sizes})
    found = {(row.layer, row.step, row.seed, row.width): row for row in sizes}

    def logs(layer: str, step: int, seed: int, kind: str) -> list[float]:
        return [_log(getattr(found[layer, step, seed, width], kind)) for width in widths]

    result = []
    for layer in layers:
        # A start of zeros leaves a layer where it is for a step or two: those steps say nothing.
        moved = [
            step
            for step in range(1, last + 1)
            if all(math.isfinite(x) for seed in seeds for x in logs(layer, step, seed, "change"))
        ]
        each = {
            step: [width_slope(widths, logs(layer, step, seed, "change")) for seed in seeds]
            for step in moved
        }
        by_seed = [_mean([each[step][k] for step in moved]) for k in range(len(seeds))]
        slope = _mean(by_seed)
        sizes_last = [width_slope(widths, logs(layer, last, seed, "size")) for seed in seeds]
        result.append(
            LayerSlope(
                layer=layer,
                slope=slope,
                stderr=_standard_error(by_seed),
                by_step=tuple(_mean(each.get(step, [])) for step in range(1, last + 1)),
                size_slope=_mean(sizes_last),
                passed=(slope if layer in _GROWTH_ONLY else abs(slope)) <= TOLERANCE,
            )
        )
    return tuple(result)


def width_slope(widths: Sequence[int], logs: Sequence[float]) -> float:
    """Least-squares slope of logarithms of a size against log width; not-a-number as its input.

    >>> round(width_slope([16, 32, 64], [math.log(5 * w**0.5) for w in (16, 32, 64)]), 9)
    0.5
    """
    x = [math.log(width) for width in widths]
    centre = sum(x) / len(x)
    return sum((a - centre) * b for a, b in zip(x, logs, strict=True)) / sum(
        (a - centre) ** 2 for a in x
    )


def _signed(value: float) -> str:
    """Two decimals with a sign; a dash for a layer that had not moved yet."""
    return "-" if math.isnan(value) else f"{value:+.2f}"


def _log(value: float) -> float:
    return math.log(value) if 0 < value < math.inf else math.nan


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan


def _standard_error(values: Sequence[float]) -> float:
    centre = _mean(values)
    square = sum((value - centre) ** 2 for value in values) / (len(values) - 1)
    return math.sqrt(square / len(values))


Verdict = tuple[Status, str, str]
"""Status, what was found with its cause, and what to do."""


def _verdict(
    slopes: Sequence[LayerSlope],
    recipe: Recipe,
    config: TransformerConfig,
    sizes: Sequence[Sizes],
) -> Verdict:
    none = unusable(slopes, sizes)
    if none is not None:
        return none
    bad = [row for row in slopes if not row.passed]
    sure = [row for row in bad if abs(row.slope) - 2 * row.stderr > TOLERANCE]
    if sure:
        return "failed", _cause(sure, len(slopes)), _cure(recipe, config, _STILL)
    vague = max(bad or slopes, key=lambda row: row.stderr)
    if bad or 2 * vague.stderr > TOLERANCE:
        return (
            "unclear",
            f"seeds differ too much: the exponent of {vague.layer} is {vague.slope:+.2f} ±"
            f" {vague.stderr:.2f}",
            "Take more seeds, or a wider range of widths.",
        )
    worst = max((row for row in slopes if row.layer not in _GROWTH_ONLY), key=_size)
    return (
        "passed",
        f"every layer moves as much at every width (exponents within ±{TOLERANCE}, the largest"
        f" {worst.slope:+.2f} of {worst.layer}), so a learning rate found at one width should hold"
        " at others",
        "",
    )


def unusable(slopes: Sequence[LayerSlope], sizes: Sequence[Sizes]) -> Verdict | None:
    """The verdict where some exponent could not be had."""
    broken = sorted({row.width for row in sizes if not math.isfinite(row.change)})
    if broken:
        return (
            "failed",
            f"activations are not finite at width {', '.join(map(str, broken))}: the learning rate"
            " is too large for these models",
            "Lower the learning rate.",
        )
    still = [row.layer for row in slopes if math.isnan(row.slope)]
    if still:
        return (
            "unclear",
            f"{', '.join(still)} did not move: first values of zero hold back what is below them"
            " for a step or two",
            "Take more steps, or initialisation='fan_in'.",
        )
    return None


_STILL = (
    "Take wider models, as the exponents are those of the limit, or a lower learning rate. If they"
    " stay, the fan-in of some matrix does not grow with the width, and its rate must not fall."
)


def _size(row: LayerSlope) -> float:
    return abs(row.slope)


def _cause(bad: Sequence[LayerSlope], count: int) -> str:
    """What the layer that is farthest off says; the target logit first, as it is what counts."""
    target = [row for row in bad if row.layer == TARGET]
    worst = (target or sorted(bad, key=_size))[-1]
    grows = worst.slope > 0
    meaning = "is too large for wide models" if grows else "hardly moves it in wide models"
    return (
        f"the change of {worst.layer} {'grows' if grows else 'falls'} as width^{worst.slope:+.2f}"
        f" (±{worst.stderr:.2f}), and {len(bad)} of {count} exponents lie beyond ±{TOLERANCE}: a"
        f" learning rate found narrow {meaning}"
    )


def _cure(recipe: Recipe, config: TransformerConfig, otherwise: str) -> str:
    scaled = config.initialisation in SCALING_STARTS
    if recipe.parameterization == "mup" and scaled:
        return otherwise
    return "Take parameterization='mup' with initialisation='fan_in'."
