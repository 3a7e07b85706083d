"""Fits in files: what is written reads back, what is damaged says so."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.fitting import Fit, fit
from isoloss.runs import Runs


def _runs() -> Runs:
    rng = np.random.default_rng(0)
    return Runs.from_rows(
        {
            "params_total": n,
            "tokens": n * m,
            "loss": float((1.5 + 40 / n**0.3 + 50 / (n * m) ** 0.25) * (1 + 0.003 * rng.normal())),
        }
        for n in np.geomspace(1e5, 1e7, 5)
        for m in (5, 20, 80)
    )


@pytest.fixture(scope="module", params=["chinchilla", "exp(e) + a/N**x + b/D**y"])
def fitted(request: pytest.FixtureRequest) -> Fit:
    return fit(_runs(), request.param, bootstrap=40)


def test_round_trip(fitted: Fit, tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    fitted.save(path)
    loaded = Fit.load(path)
    assert loaded.to_dict() == fitted.to_dict()
    assert loaded.params == fitted.params
    assert fitted.draws is not None
    assert loaded.draws is not None
    np.testing.assert_array_equal(loaded.draws, fitted.draws)
    point = {"N": 1e8, "D": 1e9}
    assert loaded.predict(**point) == fitted.predict(**point)
    assert repr(loaded) == repr(fitted)
    first = path.read_bytes(), path.with_suffix(".npz").read_bytes()
    loaded.save(path)
    assert first == (path.read_bytes(), path.with_suffix(".npz").read_bytes())


def test_without_draws(tmp_path: Path) -> None:
    path = tmp_path / "fit.json"
    fit(_runs(), bootstrap=0).save(path)
    assert "draws" not in np.load(path.with_suffix(".npz"), allow_pickle=False).files
    assert "bootstrap=0" in Fit.load(path).predict(N=1e6, D=1e7).reason


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "folder"])
def test_lost_draws_take_the_intervals_only(fitted: Fit, tmp_path: Path, damage: str) -> None:
    path = tmp_path / "fit.json"
    fitted.save(path)
    draws = path.with_suffix(".npz")
    content = draws.read_bytes()
    draws.unlink()
    if damage == "cut":
        draws.write_bytes(content[:-7])
    elif damage == "other":
        np.savez(draws, draws=np.zeros((40, 5)))
    elif damage == "folder":
        draws.mkdir()
    loaded = Fit.load(path)
    assert loaded.draws is None
    prediction = loaded.predict(N=1e6, D=1e7)
    assert prediction.loss == fitted.predict(N=1e6, D=1e7).loss
    assert math.isnan(prediction.low)
    assert "fit.npz" in prediction.reason


def _edited(document: dict[str, Any], edit: str) -> Any:
    if edit == "list":
        return [document]
    if edit == "law":
        document["law"] = document["formula"] = "no such law"
    elif edit == "attack":
        document["law"] = document["formula"] = "().__class__"
    elif edit == "parameter":
        del document["params"]["E"]
    elif edit == "value":
        document["params"]["E"]["value"] = None
    elif edit == "nan":
        document["params"]["E"]["value"] = math.nan
    elif edit == "objective":
        document["objective"]["name"] = "cubic"
    elif edit == "delta":
        document["objective"]["delta"] = "small"
    elif edit == "ranges":
        document["ranges"]["N"] = [1.0]
    elif edit == "checks":
        document["checks"] = [{"wrong": 1}]
    else:
        del document[edit]
    return document


@pytest.mark.parametrize(
    "edit",
    ["list", "law", "attack", "parameter", "value", "nan", "objective", "delta", "ranges", "checks",
     "format", "status", "level", "runs_hash", "params"],
)  # fmt: skip
def test_damaged_json(tmp_path: Path, edit: str) -> None:
    path = tmp_path / "fit.json"
    fit(_runs(), bootstrap=0).save(path)
    path.write_text(json.dumps(_edited(json.loads(path.read_text()), edit)))
    with pytest.raises(DataError, match=r"fit\.json"):
        Fit.load(path)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"null", b"[" * 5000, b"loss,tokens\n1,2"]
)
def test_files_that_are_no_fit(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fit.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"fit\.json"):
        Fit.load(path)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Fit.load(tmp_path / "none.json")
    with pytest.raises(DataError):
        Fit.load(tmp_path)
    with pytest.raises(UsageError, match="JSON"):
        fit(_runs(), bootstrap=0).save(tmp_path / "fit.npz")
