"""Noise-free losses of each law give its parameters back, to 1e-6."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import isoloss as il
from isoloss.laws import get_law

GRID = np.meshgrid(np.geomspace(1e7, 3e9, 7), np.geomspace(5e8, 3e11, 7), indexing="ij")
LINE = np.geomspace(1e3, 1e9, 60)
LONG = np.geomspace(1e3, 1e11, 120)
PUBLISHED = {
    name: dict(next(iter(get_law(name).constants.values())))
    for name in ("kaplan_n", "kaplan_d", "kaplan_c", "kaplan", "critical_batch", "overtraining",
                 "data_constrained")
}  # fmt: skip
TRUTH = PUBLISHED | {
    "compute_offset": {"E": 1.7, "A": 1.7e3, "B": 3e17, "alpha": 0.155},
    "farseer": {"s": -0.03, "q": 0.16, "S": 0.6, "B": 80.0, "b": -0.12, "Q": -3.0,
                "A": -0.12, "a": 0.12, "E": 0.4},
    "power": {"a": 40.0, "b": -0.06, "c": -0.08, "d": 0.01},
    "broken1": {"a": 0.2, "b": 30.0, "c0": 0.2, "c1": 0.5, "d1": 1e6, "f1": 0.3},
    "broken2": {"a": 0.2, "b": 30.0, "c0": 0.1, "c1": 0.6, "c2": -0.4, "d1": 3e4, "d2": 1e7,
                "f1": 0.2, "f2": 0.4},
    "broken3": {"a": 0.2, "b": 30.0, "c0": 0.1, "c1": 0.5, "c2": -0.4, "c3": 0.3, "d1": 3e4,
                "d2": 1e7, "d3": 3e9, "f1": 0.2, "f2": 0.3, "f3": 0.2},
}  # fmt: skip


def _frame(name: str) -> pd.DataFrame:
    """Runs of a ladder that fixes the law."""
    if name.startswith("broken"):
        x = LONG if name == "broken3" else LINE
        return pd.DataFrame({"params_total": 1e6, "tokens": x, "flops": 6e6 * x})
    n, d = (axis.ravel() for axis in GRID)
    frame = pd.DataFrame({"params_total": n, "tokens": d, "flops": 6 * n * d})
    frame["unique_tokens"] = np.minimum(d, np.resize([1e8, 1e9, 4e9, 1e10, 1e11], len(d)))
    if name == "power":  # C apart from N and D, else its exponent is not identified
        frame["flops"] *= np.resize([1.0, 3.0, 0.5], len(d))
    if name == "compute_offset":
        frame["flops"] = np.geomspace(1e16, 1e21, len(d))
    return frame


@pytest.mark.parametrize("name", TRUTH)
def test_parameters_come_back(name: str) -> None:
    law = get_law(name)
    truth = np.array([TRUTH[name][parameter] for parameter in law.names])
    frame = _frame(name)
    if name == "critical_batch":
        frame["loss"] = np.geomspace(1.8, 6.0, len(frame))
        frame["batch_tokens"] = law.value(truth, {"L": frame["loss"].to_numpy()})
    else:
        probe = il.Runs.from_frame(frame.assign(loss=1.0))
        frame["loss"] = law.value(truth, {v: probe.vector(v) for v in law.variables})
    fit = il.fit(il.Runs.from_frame(frame), law, objective="squared", bootstrap=0)
    found = dict(zip(law.names, fit.theta, strict=True))
    if name.startswith("broken"):
        found = _in_order(found, int(name[-1]))
    for parameter, value in zip(law.names, truth, strict=True):
        assert found[parameter] == pytest.approx(value, rel=1e-6), parameter
    # Farseer's pairs of parameters trade off so closely that any noise would move them.
    assert fit.trusted == (name != "farseer")


def _in_order(found: dict[str, float], breaks: int) -> dict[str, float]:
    """The breaks from left to right: their order in the law is arbitrary."""
    order = sorted(range(1, breaks + 1), key=lambda i: found[f"d{i}"])
    moved = {
        f"{kind}{to}": found[f"{kind}{at}"] for to, at in enumerate(order, 1) for kind in "cdf"
    }
    return found | moved
