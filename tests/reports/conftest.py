"""Results of an invented study in the shape of `study.json`, with a law whose truth is known."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest

VOCABULARY, CONTEXT, LAYERS, SEQUENCES = 1024, 128, 3, 8
E, A, ALPHA, B, BETA = 2.0, 38.0, 0.35, 45.0, 0.30
WIDTHS = (16, 24, 32, 48, 64)


def law(n: float, d: float) -> float:
    return E + A / n**ALPHA + B / d**BETA


def matmul(width: int) -> int:
    return 12 * LAYERS * width**2 + VOCABULARY * width


def palm(width: int, tokens: float) -> float:
    return (6 * matmul(width) + 12 * LAYERS * width * CONTEXT) * tokens


def _run(role: str, number: int, width: int, tokens: int, loss: float, seed: int) -> dict[str, Any]:
    return {
        "run_id": f"{role[0]}{number:02d}c0ffee{width:02d}",
        "name": f"w{width}-t{tokens}",
        "role": role,
        "seed": seed,
        "params_total": matmul(width) + 7 * width,
        "params_non_embedding": matmul(width) + 7 * width - VOCABULARY * width,
        "params_matmul": matmul(width),
        "n_layer": LAYERS,
        "d_model": width,
        "n_head": width // 16 or 1,
        "d_ff": 4 * width,
        "vocab_size": VOCABULARY,
        "context_length": CONTEXT,
        "tokens": tokens,
        "steps": tokens // (SEQUENCES * CONTEXT),
        "batch_tokens": SEQUENCES * CONTEXT,
        "learning_rate": 0.01,
        "flops": palm(width, tokens),
        "flops_convention": "palm",
        "loss": loss,
        "loss_se": 0.004,
        "loss_unit": "nats_per_token",
        "bits_per_byte": loss / math.log(2) / 2.9,
        "status": "ok",
        "reason": None,
    }


def _runs(chance: random.Random) -> list[dict[str, Any]]:
    runs = []
    for width in WIDTHS:
        for step in range(5):
            tokens = 1024 * round(500 * 2 ** (step * 0.625))
            loss = law(matmul(width), tokens) * (1 + chance.gauss(0, 0.002))
            runs.append(_run("ladder", len(runs), width, tokens, loss, 0))
    for seed in (1, 2):
        loss = law(matmul(16), 512_000) * (1 + chance.gauss(0, 0.002))
        runs.append(_run("noise", seed, 16, 512_000, loss, seed))
    return runs


def _verification() -> dict[str, Any]:
    return {
        "run_id": "v00c0ffee96",
        "n": matmul(96),
        "d": 1_413_120,
        "flops": palm(96, 1_413_120),
        "predicted": 3.0123,
        "low": 2.9810,
        "high": 3.0440,
        "level": 0.9,
        "measured": 3.0207,
        "error_percent": -0.2781,
        "inside": True,
        "registered_at": "2026-03-01T10:12:44Z",
        "trained_at": "2026-03-01T10:15:02Z",
        "compute_ratio": 1.07,
        "baseline": {"predicted": 3.0555, "error_percent": 1.152},
    }


def _curves() -> dict[str, Any]:
    def allocation(flops: float) -> tuple[float, float]:
        g = (ALPHA * A / (BETA * B)) ** (1 / (ALPHA + BETA))
        n = g * (flops / 6) ** (BETA / (ALPHA + BETA))
        return n, flops / 6 / n

    frontier = []
    for i in range(40):
        flops = 4e10 * 10 ** (i / 10)
        n, d = allocation(flops)
        width = 0.004 + 0.0009 * i
        loss = law(n, d)
        frontier.append(
            {"flops": flops, "loss": loss, "low": loss - width, "high": loss + width}
            | {"n": n, "d": d}
        )
    ds = [4e5 * 10 ** (i / 24) for i in range(25)]
    by_width = [
        {"n": matmul(width), "d": d, "loss": law(matmul(width), d)}
        for width in (*WIDTHS, 96)
        for d in ds
    ]
    ns = [2e4 * 10 ** (1.45 * i / 31) for i in range(32)]
    grid = {"n": ns, "d": ds, "loss": [[law(n, d) for n in ns] for d in ds]}
    return {"frontier": frontier, "by_width": by_width, "contours": grid}


def _fit() -> dict[str, Any]:
    def estimate(value: float, share: float) -> dict[str, Any]:
        error = share * value
        return {"value": value, "stderr": error, "low": value - 1.6 * error} | {
            "high": value + 1.6 * error,
            "at_bound": False,
        }

    return {
        "law": "chinchilla",
        "formula": "E + A/N**alpha + B/D**beta",
        "n_convention": "params_matmul",
        "flops_convention": "palm",
        "params": {
            "E": estimate(E, 0.03),
            "A": estimate(A, 0.4),
            "alpha": estimate(ALPHA, 0.1),
            "B": estimate(B, 0.5),
            "beta": {**estimate(BETA, 0.1), "low": None, "high": None, "stderr": None}
            | {"reason": "one-sided profile"},
        },
        "objective": {"name": "huber", "delta": 0.001, "residual": "log", "value": 1.93e-4},
        "status": "Converged: all starts that matter agree on one optimum.",
        "checks": [
            {"name": "starts agree", "passed": True, "message": "31 of 40 starts.", "cure": ""},
            {
                "name": "extrapolation",
                "passed": False,
                "message": "The largest budget is 400 times the largest run.",
                "cure": "Train a larger rung before you trust that plan.",
            },
        ],
        "n_rows": 25,
        "seed": 0,
    }


def _backtest(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    held_out = sorted(runs, key=lambda row: row["flops"])[-8:]
    found = []
    for i, row in enumerate(held_out):
        predicted = row["loss"] * (1 + 0.002 * (-1) ** i)
        found.append(
            {
                "run_id": row["run_id"],
                "n": row["params_matmul"],
                "d": row["tokens"],
                "flops": row["flops"],
                "measured": row["loss"],
                "predicted": predicted,
                "low": predicted - 0.02,
                "high": predicted + 0.02,
                "error_percent": 0.2 * (-1) ** i,
                "inside": True,
                "baseline": row["loss"] * 1.012,
            }
        )
    return found


def _plan(flops: float, extrapolation: float) -> dict[str, Any]:
    n = 0.17 * flops**0.5
    d = flops / 6 / n
    return {
        "flops": flops,
        "n": {"value": n, "low": 0.6 * n, "high": 1.7 * n},
        "d": {"value": d, "low": 0.6 * d, "high": 1.7 * d},
        "loss": {"value": law(n, d), "low": law(n, d) - 0.05, "high": law(n, d) + 0.06},
        "architecture": {
            "d_model": 128,
            "n_layer": LAYERS,
            "n_head": 8,
            "d_ff": 512,
            "vocab_size": VOCABULARY,
            "context_length": CONTEXT,
        },
        "extrapolation": extrapolation,
        "flops_by_convention": {"palm": flops, "matmul": 0.92 * flops, "6nd_total": 0.93 * flops},
        "caveat": "Far beyond the ladder." if extrapolation > 100 else "",
    }


def make_results() -> dict[str, Any]:
    chance = random.Random(0)
    runs = _runs(chance)
    verification = _verification()
    ladder = [row for row in runs if row["role"] == "ladder"]
    runs.append(_run("verification", 0, 96, 1_413_120, verification["measured"], 0))
    return {
        "schema_version": 1,
        "study": {
            "name": "Shakespeare on a laptop",
            "size": "short",
            "minutes": 12.0,
            "started_at": "2026-03-01T10:03:00Z",
            "finished_at": "2026-03-01T10:15:10Z",
            "seconds": 730.4,
            "spec": {"seeds": 3},
        },
        "corpus": {
            "sources": ["texts/shakespeare.txt"],
            "documents": 44,
            "duplicates": 2,
            "bytes": 5_458_199,
            "train_tokens": 1_790_000,
            "validation_tokens": 94_000,
            "vocab_size": VOCABULARY,
            "bytes_per_token": 2.9,
            "fingerprint": "9f2c1a77" * 8,
            "split": "files",
        },
        "runs": runs,
        "fit": _fit(),
        "forms": [
            {
                "law": "chinchilla",
                "formula": "E + A/N**alpha + B/D**beta",
                "weight": 0.71,
                "status": "Converged.",
                "backtest_rms_percent": 0.21,
            },
            {
                "law": "kaplan",
                "formula": "((Nc/N)**(aN/aD) + Dc/D)**aD",
                "weight": 0.29,
                "status": "Converged.",
                "backtest_rms_percent": 0.34,
            },
        ],
        "backtest": _backtest(ladder),
        "noise": {"sd_percent": 0.19, "degrees_of_freedom": 2, "reason": ""},
        "verification": verification,
        "curves": _curves(),
        "residuals": [
            {
                "run_id": row["run_id"],
                "n": row["params_matmul"],
                "d": row["tokens"],
                "flops": row["flops"],
                "residual_percent": 100
                * (row["loss"] / law(row["params_matmul"], row["tokens"]) - 1),
            }
            for row in ladder
        ],
        "plans": [_plan(1e13, 2.6), _plan(1e15, 258.0), _plan(1e18, 2.6e5)],
        "definitions": {
            "N": "Weights that multiply activations, output head counted once.",
            "C": "Training FLOP, forward and backward, attention scores included.",
            "D": "Tokens seen in training.",
            "L": "Mean cross-entropy on held-out text, in nats per token.",
            "bits_per_byte": "Loss in bits over the bytes of the text it covers.",
        },
        "provenance": {"isoloss": "0.1.0", "python": "3.11.2", "cpu": "2 cores", "seed": 0},
        "warnings": ["The output head is more than 30% of N in every rung."],
        "paths": {
            "report": "study/report.html",
            "store": "study/runs.sqlite",
            "fit": "study/fit.json",
            "prediction": "study/prediction.json",
        },
    }


def diverge(results: dict[str, Any]) -> dict[str, Any]:
    """The same study, but the verification run diverged and nothing could be backtested."""
    reason = "The run diverged at step 412: its loss was not finite."
    nothing = dict.fromkeys(("measured", "error_percent", "inside", "trained_at"))
    baseline = {"predicted": 3.0555, "error_percent": None}
    results["verification"] |= {**nothing, "reason": reason, "baseline": baseline}
    results["runs"][-1] |= {"loss": None, "status": "diverged", "reason": reason}
    results["runs"][-1] |= {"bits_per_byte": None, "loss_se": None}
    results["backtest"] = []
    results["backtest_reason"] = "Too few runs: a backtest needs three larger ones."
    results["noise"] = {"sd_percent": None, "degrees_of_freedom": 0, "reason": "One seed only."}
    return results


@pytest.fixture
def results() -> dict[str, Any]:
    return make_results()


@pytest.fixture
def diverged() -> dict[str, Any]:
    return diverge(make_results())


@pytest.fixture(scope="session")
def page_of() -> Callable[[dict[str, Any]], str]:
    from isoloss.reports import build_page

    return build_page
