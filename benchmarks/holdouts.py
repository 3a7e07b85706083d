"""How well does `il.compare`, with its defaults, predict public runs larger than those it saw?

    python benchmarks/holdouts.py --data ../shared/data/runs

Each table is split as in the README of that folder: everything, cuts, weights and intervals, is
decided from the smaller runs alone, then the larger ones are predicted once. Printed for each
hold-out: the mean absolute percentage error of the weighed mix (the default rule), how many of
its 90% intervals for one run hold the measurement, and the half-width of these; the same for the
law that came first and for every law alone (`Fit.predict(kind="run")`); the plain L(C) of the
frontier; and the naive guess, the lowest loss seen.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import isoloss as il
from isoloss.fitting.backtesting import Ladder, baseline_losses
from isoloss.fitting.comparison.compared_laws import Comparison
from isoloss.fitting.comparison.comparison import COMPARED_LAWS
from isoloss.fitting.result import Fit

LEVEL = 0.9
ALONE = ("kaplan", "farseer")
"""Laws outside the default rule, fitted alone for comparison."""


@dataclass(frozen=True, kw_only=True)
class HoldOut:
    """A table, which rows are fitted and which are predicted, and how laws are compared."""

    name: str
    frame: pd.DataFrame
    columns: Mapping[str, str]
    fitted: pd.Series
    held: pd.Series
    laws: Sequence[str] = COMPARED_LAWS
    alone: Sequence[str] = ALONE
    inner: str = "compute"


def hold_outs(data: Path) -> Iterator[HoldOut]:
    """Those of the README, then scalebench's test tables."""
    names = {"params": "params_total"}
    f = pd.read_csv(data / "chinchilla_epoch" / "runs.csv")
    f = f[~f["epoch_excluded_outlier"]]
    size, flops = f["params"], f["flops"]
    yield HoldOut(name="chinchilla N<3e9", frame=f, columns=names,
                  fitted=size < 3e9, held=size >= 6e9)  # fmt: skip
    yield HoldOut(name="chinchilla C<=1e21", frame=f, columns=names,
                  fitted=flops <= 1e21, held=flops > 1e21)  # fmt: skip
    f = pd.read_csv(data / "olmo_ladder" / "runs.csv")
    small = f["model"].isin(["190M", "370M", "760M", "1B"])
    paper = f["run_id"].str.contains(r"-(?:1|2|5|10)xC$")
    for label, held in (("3B", f["model"] == "3B"), ("13B-5T", f["run_id"] == OLMO_13B)):
        yield HoldOut(name=f"olmo 16 -> {label}", frame=f, columns={},
                      fitted=small & paper, held=held)  # fmt: skip
    f = pd.read_csv(data / "gemstones" / "runs.csv")
    f = f[f["view"] == "cool_end"].drop(columns=["step", "n_layer", "d_model"])
    yield HoldOut(name="gemstones cool_end", frame=f, columns=names,
                  fitted=f["params"] <= 1.05e9, held=f["params"] > 1.5e9)  # fmt: skip
    f = pd.read_csv(data / "gadre_overtraining" / "runs.csv")
    f = f[["dataset", "params", "tokens", "flops", "loss"]]
    for dataset, part in f.groupby("dataset"):
        yield HoldOut(name=f"gadre {dataset}", frame=part, columns=names,
                      fitted=part["params"] <= 4.2e8, held=part["params"] > 1e9)  # fmt: skip
    yield from scalebench(data / "scalebench")


OLMO_13B = "peteish13_eval_final"


def scalebench(folder: Path) -> Iterator[HoldOut]:
    """Train and test tables; vocab is left out: its normalised loss is negative."""

    def tables(name: str) -> pd.DataFrame:
        parts = [pd.read_parquet(folder / name / f"{part}.parquet") for part in ("train", "test")]
        return pd.concat([p.assign(part=i) for i, p in enumerate(parts)], ignore_index=True)

    f = tables("data_constrained")
    yield HoldOut(name="scalebench data", frame=f, columns={"params": "params_total"},
                  fitted=f["part"] == 0, held=f["part"] == 1,
                  laws=(*COMPARED_LAWS, "data_constrained"), alone=())  # fmt: skip
    f = tables("parallel").assign(tokens=1.0)  # the tables do not give D; it was the same for all
    for group, part in f.groupby("group"):
        yield HoldOut(name=f"scalebench parallel {group}", frame=part.drop(columns="group"),
                      columns={"num_params": "params_total", "parallel_size": "meta_streams"},
                      fitted=part["part"] == 0, held=part["part"] == 1,
                      laws=("parallel", "E + A/(N**alpha*meta_streams**gamma)",
                            "E + A/N**alpha - b*log(meta_streams)"),
                      alone=(), inner="meta_streams >= 4")  # fmt: skip
    f = tables("moe").assign(tokens=1.0)
    yield HoldOut(name="scalebench moe", frame=f,
                  columns={"dense_parameter_count": "params_total", "num_experts": "meta_experts",
                           "loss_validation": "loss"},
                  fitted=f["part"] == 0, held=f["part"] == 1,
                  laws=("routed", "E + A/(N**alpha*meta_experts**gamma)",
                        "A/(N**alpha*meta_experts**gamma)"),
                  alone=(), inner="N > 2e8")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Score:
    """Mean absolute error in percent, intervals that hold, and their mean half-width in percent."""

    error: float
    inside: int
    count: int
    width: float

    def __str__(self) -> str:
        if self.width != self.width:
            return f"{self.error:7.2f}%"
        return f"{self.error:7.2f}%  {self.inside:>2}/{self.count:<2} ±{self.width:.2f}%"


def score(item: HoldOut) -> list[tuple[str, Score]]:
    """Every way of predicting one hold-out."""
    runs = il.Runs.from_frame(item.frame, columns=dict(item.columns))
    fitted = runs.where(item.fitted.tolist(), "held out")
    held = runs.where(item.held.tolist(), "fitted, or neither").used()
    found = il.compare(fitted, item.laws, holdout=item.inner, level=LEVEL)
    print(found.summary(), file=sys.stderr)
    names = dict.fromkeys(v for f in found.fits.values() for v in f.law.variables)
    points = {name: held.vector(name) for name in names}
    measured = held.vector("loss")
    rows = [("rule (weighed mix)", mix_score(found, points, measured))]
    rows += [
        (f"{'best: ' if law == found.best else ''}{law}", fit_score(fit, held, measured))
        for law, fit in found.fits.items()
    ]
    for law in item.alone:
        fit = il.fit(fitted, law, delta=0.005, bootstrap=200)
        rows.append((f"alone: {law}", fit_score(fit, held, measured)))
    if item.inner == "compute":
        rows.append(("L(C) of the frontier", baseline_score(fitted, held, measured)))
    lowest = np.full(len(measured), fitted.used().vector("loss").min())
    return [*rows, ("naive: lowest loss seen", plain_score(lowest, measured))]


def mix_score(found: Comparison, points: Mapping[str, np.ndarray], measured: np.ndarray) -> Score:
    """Of the default rule."""
    predicted = [
        found.predict(kind="run", level=LEVEL, **{k: float(v[i]) for k, v in points.items()})
        for i in range(len(measured))
    ]
    return interval_score(predicted, measured)


def fit_score(fit: Fit, held: il.Runs, measured: np.ndarray) -> Score:
    """Of one law."""
    points = {name: held.vector(name) for name in fit.law.variables}
    predicted = [
        fit.predict(kind="run", level=LEVEL, **{k: float(v[i]) for k, v in points.items()})
        for i in range(len(measured))
    ]
    return interval_score(predicted, measured)


def interval_score(predicted: Sequence[il.Prediction], measured: np.ndarray) -> Score:
    """Of predictions with intervals."""
    loss, low, high = (
        np.array([getattr(p, k) for p in predicted]) for k in ("loss", "low", "high")
    )
    return Score(
        error=float(100 * np.abs(loss / measured - 1).mean()),
        inside=int(((low <= measured) & (measured <= high)).sum()),
        count=len(measured),
        width=float(100 * ((high - low) / 2 / loss).mean()),
    )


def plain_score(predicted: np.ndarray, measured: np.ndarray) -> Score:
    """Of predictions without intervals."""
    error = float(100 * np.abs(predicted / measured - 1).mean())
    return Score(error=error, inside=0, count=len(measured), width=float("nan"))


def baseline_score(fitted: il.Runs, held: il.Runs, measured: np.ndarray) -> Score:
    """Of the plain L(C)."""

    def c_of(runs: il.Runs) -> np.ndarray:
        if "flops" in runs.to_frame() and not runs.to_frame()["flops"].isna().any():
            return runs.vector("C")
        return 6 * runs.vector("N") * runs.vector("D")

    used = fitted.used()
    n, d, loss = (used.vector(name) for name in ("N", "D", "loss"))
    ladder = Ladder(n=n, d=d, c=c_of(used), loss=loss)
    return plain_score(baseline_losses(ladder, c_of(held)), measured)


def main() -> int:
    """Score every hold-out and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of the run tables")
    chosen = parser.parse_args()
    warnings.simplefilter("ignore")
    rule: list[Score] = []
    for item in hold_outs(chosen.data):
        began = time.monotonic()
        rows = score(item)
        rule.append(rows[0][1])
        took = time.monotonic() - began
        print(f"\n{item.name}: {int(item.fitted.sum())} fitted, {int(item.held.sum())} predicted"
              f" ({took:.0f} s)", flush=True)  # fmt: skip
        for name, value in rows:
            print(f"  {name:<52}{value}", flush=True)
    inside, count = sum(s.inside for s in rule), sum(s.count for s in rule)
    print(f"\nrule: mean error over hold-outs {np.mean([s.error for s in rule]):.2f}%, intervals"
          f" that hold {inside}/{count} ({inside / count:.0%}, 90% promised)")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
