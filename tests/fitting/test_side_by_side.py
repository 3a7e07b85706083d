"""Fits of groups side by side: the same as alone, and every shape of the table."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from isoloss.errors import DataError, UsageError
from isoloss.fitting import FitTable, fit, fit_groups
from isoloss.laws import get_law
from isoloss.runs import Runs

DATA = Path(__file__).parents[3] / "shared" / "data" / "runs"
TRUTH = {
    "web_1": np.array([1.7, 60.0, 90.0, 0.3, 0.28]),
    "code & <b>": np.array([0.9, 40.0, 120.0, 0.27, 0.3]),
}


def table(noise: float = 0.003) -> Runs:
    """20 runs of each of two corpora, and 3 of a third."""
    law, rng, rows = get_law("chinchilla"), np.random.default_rng(0), []
    for name, theta in {**TRUTH, "tiny": TRUTH["web_1"]}.items():
        for n in np.geomspace(2e5, 2e7, 5):
            for m in (4, 12, 40, 120):
                value = law.value(theta, {"N": np.array([n]), "D": np.array([n * m])})[0]
                value *= np.exp(noise * rng.standard_normal())
                rows.append({"params_matmul": n, "tokens": n * m, "loss": value, "dataset": name})
    return Runs.from_rows(rows[:43])


@pytest.fixture(scope="module")
def fitted() -> FitTable:
    return fit_groups(table(), by="dataset", bootstrap=60)


def test_groups_are_fitted_as_alone(fitted: FitTable) -> None:
    assert [row.name for row in fitted.rows] == ["web_1", "code & <b>", "tiny", "(all)"]
    assert len(fitted) == 3
    alone = fit(table().where(lambda r: r["dataset"] == "web_1"), bootstrap=60)
    assert fitted["web_1"].objective.value == pytest.approx(alone.objective.value, rel=1e-9)
    assert fitted["web_1"].params["E"].low == pytest.approx(alone.params["E"].low)
    for name, theta in TRUTH.items():
        for parameter in ("E", "alpha", "beta"):
            true = theta[get_law("chinchilla").index(parameter)]
            assert fitted[name].params[parameter].value == pytest.approx(true, rel=0.2)
    assert fitted["(all)"].n_rows == 43
    assert fitted["(all)"].objective.value > fitted["web_1"].objective.value


def test_a_group_that_cannot_be_fitted_keeps_its_row_and_reason(fitted: FitTable) -> None:
    tiny = fitted.groups[2]
    assert tiny.fit is None
    assert "3 usable runs cannot fix the 5 parameters" in tiny.status
    assert not fitted.trusted
    with pytest.raises(UsageError, match="not fitted"):
        fitted["tiny"]
    with pytest.raises(UsageError, match="no group 'web'"):
        fitted["web"]
    assert math.isnan(fitted.to_frame()["E"][2])


def test_the_shapes_of_a_table(fitted: FitTable) -> None:
    text = fitted.summary()
    assert max(map(len, text.splitlines())) <= 80
    for part in ("web_1", "(all)", "params_matmul", "huber", "90% intervals", "not fitted"):
        assert part in text
    document = json.loads(json.dumps(fitted.to_dict(), allow_nan=False))
    assert [group["name"] for group in document["groups"]] == [*TRUTH, "tiny"]
    assert document["groups"][2]["fit"] is None
    assert document["pooled"]["fit"]["n_rows"] == 43
    frame = fitted.to_frame()
    assert frame["alpha_low"][0] < frame["alpha"][0] < frame["alpha_high"][0]
    assert frame["n_convention"].tolist() == ["params_matmul"] * 2 + ["", "params_matmul"]
    latex = fitted.to_latex()
    assert r"$\alpha$" in latex
    assert r"code \& <b>" in latex
    assert r"web\_1" in latex
    assert all(line.count(" & ") == 8 for line in latex.splitlines() if line.endswith(r"\\"))
    html = fitted._repr_html_()
    assert "code &amp; &lt;b&gt;" in html
    assert "<b>" not in html
    assert repr(fitted) == "FitTable(chinchilla by dataset: 2 of 3 groups)"


def test_more_than_five_parameters_stay_in_eighty_columns() -> None:
    runs = table().where(lambda r: r["dataset"] != "tiny")
    text = fit_groups(runs, "dataset", "skaling", bootstrap=0, pooled=False).summary()
    assert max(map(len, text.splitlines())) <= 80
    assert "no intervals" in text
    assert "(all)" not in text


def test_views_by_name_and_constraints() -> None:
    runs = table()
    views = {"all": runs, "long": runs.where(lambda r: r["tokens"] > 3e6)}
    found = fit_groups(views, law="chinchilla", fixed={"E": 1.5}, bootstrap=0)
    assert found.pooled is None
    assert [group.name for group in found.groups] == ["all", "long"]
    assert found["long"].params["E"].value == 1.5
    assert "2 views" in found.summary()
    assert "E = 1.5" in found.summary()


def test_one_convention_of_n_for_all_groups() -> None:
    frame = table().to_frame()
    frame["params_total"] = 1.5 * frame["params_matmul"]
    frame.loc[frame["dataset"] == "tiny", "params_matmul"] = math.nan
    found = fit_groups(Runs.from_frame(frame), "dataset", bootstrap=0)
    assert found["web_1"].n_convention == "params_total"


def test_wrong_calls_are_named() -> None:
    runs = table()
    with pytest.raises(DataError, match="no column 'datset'") as caught:
        fit_groups(runs, by="datset")
    assert "Did you mean 'dataset'" in caught.value.hint
    with pytest.raises(UsageError, match="nothing tells"):
        fit_groups(runs)
    with pytest.raises(UsageError, match="views by name"):
        fit_groups({"a": runs}, by="dataset")
    with pytest.raises(UsageError, match="no parameter 'alfa'"):
        fit_groups(runs, by="dataset", fixed={"alfa": 0.3})
    with pytest.raises(DataError, match="none of the 43 groups"):
        fit_groups(runs, by="run_id")


@pytest.mark.skipif(not DATA.is_dir(), reason="shared/data is not beside the checkout")
def test_gemstones_views_reach_their_published_optima() -> None:
    import pandas as pd

    folder = DATA / "gemstones"
    frame = pd.read_csv(folder / "runs.csv").rename(columns={"params": "params_total"})
    frame = frame[frame["view"].isin(["cool_begin", "cool_end"])]
    found = fit_groups(Runs.from_frame(frame), "view", bootstrap=0, pooled=False)
    published = pd.read_csv(folder / "published_fits.csv")
    for view in ("cool_begin", "cool_end"):
        own = published[published["file"].str.endswith(f"_0_{view}.json")]
        own = own[own["huber_delta"].astype(str).isin(["0.001", "1e-3"])].iloc[0]
        assert found[view].objective.value <= own["obj"] * (1 + 1e-6)
        assert found[view].params["alpha"].value == pytest.approx(own["alpha"], abs=2e-3)
        assert found[view].params["beta"].value == pytest.approx(own["beta"], abs=2e-3)
