"""Noise-free data of a law give its parameters back, to 1e-6, through `il.fit`.

Experts, parallel streams, vocabulary, precision, transfer, distillation, modalities, downstream,
hyperparameters and mixing. Parameters that such runs cannot tell apart are fixed, as the notes of
the laws say; everything else is fitted from the default starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pytest

import isoloss as il
from isoloss.laws import Law, get_law
from isoloss.laws.mixing import mixing_law

Columns = dict[str, np.ndarray]
ROWS = 160
N, D = (1e7, 1e11), (1e8, 1e13)
EXPERTS = (1.0, 2.0, 4.0, 8.0, 16.0, 64.0, 256.0, 512.0)
BITS = (3.0, 4.0, 5.0, 6.0, 8.0, 12.0, 16.0)
STREAMS = (1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class Case:
    """A law with its true parameters and the ranges (two numbers, log-uniform) or sets of runs."""

    truth: Mapping[str, float]
    columns: Mapping[str, tuple[float, ...]]
    fixed: tuple[str, ...] = ()
    residual: str = "log"
    options: Mapping[str, Any] = field(default_factory=dict)


def _published(name: str) -> Mapping[str, float]:
    return next(iter(get_law(name).constants.values()))


CASES = {
    "routed": Case(_published("routed"), {"N": (1e7, 2e9), "meta_experts": EXPERTS}),
    "joint_experts": Case(
        _published("joint_experts"), {"params_active": N, "D": D, "meta_experts": EXPERTS}
    ),
    "sparsity": Case(
        _published("sparsity"),
        {"N": N, "D": D, "meta_active_share": (1.0, 0.5, 0.25, 0.1, 0.05, 0.02)},
    ),
    "parallel": Case(
        {"E": 0.69, "A": 1.13e7, "alpha": 0.19, "k": 0.39}, {"N": N, "meta_streams": STREAMS}
    ),
    "vocabulary": Case(
        {"A": 830.0, "alpha": 0.44, "F": 2.9e3, "phi": 0.7, "B": 1.2e4, "beta": 0.46, "G": 5.5},
        {"N": N, "params_vocabulary": (1e6, 1e9), "D": D},
        residual="raw",
    ),
    "precision": Case(
        _published("precision"),
        {
            "N": N,
            "D": D,
            "meta_bits_weights": BITS,
            "meta_bits_activations": BITS[1:],
            "meta_bits_cache": BITS[1:],
        },
    ),
    "quantized": Case(
        {
            "E": 2.7, "A": 4.3e3, "alpha": 0.49, "B": 1.8e4, "beta": 0.5, "gamma_w": 2.7,
            "F": 0.4, "delta": 0.51, "nu": 0.34, "gamma_q": 0.9, "r": 0.6,
        },
        {"N": N, "D": D, "meta_bits_weights": BITS[3:], "meta_bits_after": BITS[:4]},
    ),
    "transfer": Case(_published("transfer"), {"meta_finetuning_data": (1e5, 1e9), "N": N}),
    "fine_tuning": Case(
        _published("fine_tuning"), {"N": (1e9, 2e10), "meta_finetuning_data": (1e4, 1e7)}
    ),
    "distillation": Case(
        {
            "A": 2e3, "alpha": 0.32, "B": 2e4, "beta": 0.44, "gamma": 0.76,
            "c0": 2.5, "c1": 3.0, "d1": 1.1, "f1": 0.2,
        },
        {"N": N, "D": D, "meta_teacher_loss": (1.8, 4.0), "meta_supervised_loss": (1.9, 4.0)},
    ),
    "two_modalities": Case(
        {
            "E_1": 1.7, "A_1": 400.0, "alpha_1": 0.34, "B_1": 410.0, "beta_1": 0.28,
            "E_2": 2.2, "A_2": 150.0, "alpha_2": 0.25, "B_2": 900.0, "beta_2": 0.36,
            "A": 60.0, "alpha": 0.3, "B": 500.0, "beta": 0.32, "S": 0.12,
        },
        {"N": N, "meta_tokens_1": D, "meta_tokens_2": D, "D": D},
        fixed=("E_1", "A_1", "alpha_1", "B_1", "beta_1", "E_2", "A_2", "alpha_2", "B_2", "beta_2"),
    ),
    "accuracy_sigmoid": Case(
        {"floor": 0.25, "top": 0.93, "k": 6.0, "middle": 0.9}, {"loss": (0.4, 1.8)}
    ),
    "error_exponential": Case(_published("error_exponential"), {"loss": (2.2, 6.0)}),
    "loss_to_loss": Case({"E": 1.6, "K": 0.9, "S": 1.9, "kappa": 1.2}, {"loss": (2.2, 6.0)}),
    "best_learning_rate": Case(_published("best_learning_rate"), {"N": N, "D": D}),
    "best_batch": Case(_published("best_batch"), {"D": D}),
    "best_learning_rate_compute": Case(
        _published("best_learning_rate_compute"), {"C": (1e17, 1e21)}
    ),
    "best_batch_compute": Case(_published("best_batch_compute"), {"C": (1e17, 1e21)}),
}  # fmt: skip
COLUMN_OF = {"N": "params_non_embedding", "D": "tokens", "C": "flops"}


def runs_of(law: Law, truth: Mapping[str, float], columns: Columns) -> il.Runs:
    """Runs whose target is exactly what the law says."""
    theta = np.array([truth[name] for name in law.names])
    frame = {"params_total": 1e9, "tokens": 1e10, "loss": 3.0}
    frame |= {COLUMN_OF.get(name, name): column for name, column in columns.items()}
    if "N" in columns:
        del frame["params_total"]
    rows = pd.DataFrame(frame, index=range(len(next(iter(columns.values())))))
    return il.Runs.from_frame(rows.assign(**{law.target: law.value(theta, columns)}))


def drawn(case: Case, seed: int = 0) -> Columns:
    """Values of every variable, each independent of the others."""
    rng = np.random.default_rng(seed)
    result: Columns = {}
    for name, given in case.columns.items():
        if len(given) == 2:
            result[name] = np.exp(rng.uniform(*np.log(given), ROWS))
        else:
            result[name] = rng.choice(given, ROWS)
    if "meta_bits_after" in result:  # no more bits after than before
        bits = result["meta_bits_weights"], result["meta_bits_after"]
        result["meta_bits_after"] = np.minimum(*bits)
    return result


@pytest.mark.parametrize("name", CASES)
def test_the_parameters_come_back(name: str) -> None:
    case, law = CASES[name], get_law(name)
    fit = il.fit(
        runs_of(law, case.truth, drawn(case)),
        name,
        objective="squared",
        residual=case.residual,
        fixed={parameter: case.truth[parameter] for parameter in case.fixed},
        bootstrap=0,
    )
    found = {parameter: estimate.value for parameter, estimate in fit.params.items()}
    assert found == pytest.approx(dict(case.truth), rel=1e-6)


def test_the_shares_of_a_mixture() -> None:
    shares = ["share_web", "share_code", "share_books"]
    law = mixing_law(shares)
    truth = {"c": 1.9, "t_1": 0.4, "t_2": 1.3, "t_3": -0.6}
    mixtures = np.random.default_rng(0).dirichlet(np.ones(3), ROWS)
    columns = dict(zip(shares, mixtures.T, strict=True))
    fit = il.fit(runs_of(law, truth, columns), law, objective="squared", bootstrap=0)
    assert {k: e.value for k, e in fit.params.items()} == pytest.approx(truth, rel=1e-6)
    assert fit.status == "converged and identified"
