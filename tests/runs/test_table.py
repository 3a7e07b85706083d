"""What a run table answers: used rows, N, variables, clusters, hash, summary."""

from __future__ import annotations

import dataclasses
import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from isoloss.errors import DataError, EnvironmentProblem, UsageError
from isoloss.runs import Runs, example_runs


def row(number: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "run_id": f"r{number}",
        "params_total": 1e6 + number,
        "tokens": 2e7,
        "loss": 3.0 + number,
        **more,
    }


def table(*rows: dict[str, Any]) -> Runs:
    return Runs.from_rows(rows)


def test_where_keeps_rows_with_a_reason() -> None:
    runs = table(*(row(i) for i in range(4)), row(9, reason="a spike"))
    kept = runs.where(lambda r: r["loss"] < 5, "too high")
    assert (len(kept), len(kept.used()), len(runs.used())) == (5, 2, 4)
    reasons = ["", "", "too high", "too high", "a spike"]
    assert kept.to_frame()["reason"].tolist() == reasons
    assert runs.where([True, False, True, True, True]).to_frame()["reason"][1] == (
        "left out by where"
    )


@pytest.mark.parametrize(
    ("mask", "match"),
    [([True], "1 values for 2 rows"), ([1, 0], "truth values"), (["a", "b"], "truth values")],
)
def test_where_refuses_other_masks(mask: list[Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        table(row(0), row(1)).where(mask)


def test_where_wants_a_reason_and_a_column_that_is_there() -> None:
    with pytest.raises(UsageError, match="reason"):
        table(row()).where([False], " ")
    with pytest.raises(DataError, match="no column 'token'; did you mean 'tokens'"):
        table(row()).where(lambda r: r["token"] > 1)


def test_nothing_changes_runs() -> None:
    runs = table(row(0), row(1))
    before = runs.hash()
    frame = runs.to_frame()
    frame.loc[0, "loss"] = 9.0
    runs.where(lambda r: r.assign(loss=1.0)["loss"] > 3)
    runs.vector("L")[0] = 9
    with pytest.raises(dataclasses.FrozenInstanceError):
        runs._dropped = 3  # type: ignore[misc]
    assert runs.hash() == before


def test_n_is_matmul_where_every_used_row_has_it() -> None:
    assert table(row(0, params_matmul=5), row(1, params_matmul=6)).n_column() == "params_matmul"
    assert table(row(0, params_matmul=5), row(1)).n_column() == "params_total"
    left_out = row(1, reason="no")
    assert table(row(0, params_matmul=5), left_out).n_column() == "params_matmul"
    both = table(row(0, params_non_embedding=5))
    assert (both.n_column(), both.n_column("params_total")) == (
        "params_non_embedding",
        "params_total",
    )
    assert both.vector("N", n="params_total").tolist() == [1e6]


def test_mixed_counts_are_refused() -> None:
    mixed = table(
        {"params_total": 1e6, "tokens": 1e7, "loss": 3},
        {"params_non_embedding": 1e6, "tokens": 1e7, "loss": 3},
    )
    with pytest.raises(DataError, match="different ways: of 2 rows, params_total in 1"):
        mixed.n_column()
    with pytest.raises(DataError, match="empty, as in 1 of 2 runs"):
        mixed.n_column("params_total")
    with pytest.raises(DataError, match="no column 'params_matmul'"):
        mixed.n_column("params_matmul")
    with pytest.raises(UsageError, match="'total' is no count"):
        mixed.n_column("total")


def test_other_counts_must_be_named_where_there_are_two() -> None:
    one = {"params_body": 1e6, "tokens": 1e7, "loss": 3}
    assert table(one).n_column() == "params_body"
    with pytest.raises(DataError, match="params_active or params_body"):
        table({**one, "params_active": 1e5}).n_column()


def test_variables_of_formulas() -> None:
    runs = table(
        row(0, flops=1e14, unique_tokens=1e7, vocab_size=512, learning_rate=0.01, batch_tokens=4096)
    )
    values = {name: runs.vector(name)[0] for name in ("N", "D", "C", "U", "L", "M", "V", "lr", "B")}
    assert values == {
        "N": 1e6, "D": 2e7, "C": 1e14, "U": 1e7, "L": 3.0, "M": 20.0,
        "V": 512, "lr": 0.01, "B": 4096,
    }  # fmt: skip
    assert runs.vector("V").dtype == np.float64
    assert runs.vector("unique_tokens")[0] == 1e7


def test_a_variable_that_cannot_be_had_is_named() -> None:
    runs = table(row(0, dataset="C4", metric_x=1), row(1, dataset="C4"))
    with pytest.raises(DataError, match="expected a number, found 'C4'"):
        runs.vector("dataset")
    with pytest.raises(DataError, match="run 'r1', column 'metric_x': empty, as in 1 of 2"):
        runs.vector("metric_x")
    with pytest.raises(DataError, match=r"'unique_tokens' \(the variable U\)"):
        runs.vector("U")


def test_mixed_conventions_are_refused() -> None:
    runs = table(
        row(0, flops=1e9, flops_convention="palm", loss_unit="nats_per_token"),
        row(1, flops=1e9, flops_convention="matmul", loss_unit="bits_per_byte"),
    )
    with pytest.raises(DataError, match=r"different conventions .* matmul, palm"):
        runs.vector("C")
    with pytest.raises(DataError, match="loss_unit"):
        runs.vector("L")
    assert runs.where([True, False]).vector("C").tolist() == [1e9]


def test_clusters_are_the_children_of_a_parent() -> None:
    runs = table(
        row(0, parent_id="t"), row(1), row(2, parent_id="t"), row(3), row(4, parent_id="u"),
        row(5, parent_id="t", reason="left out"),
    )  # fmt: skip
    assert runs.clusters().tolist() == [0, 1, 0, 2, 3]
    assert table(row(0), row(1)).clusters().tolist() == [0, 1]


def test_the_hash_is_of_what_the_runs_say() -> None:
    rows = [row(i, metric_x=i / 3 if i else None) for i in range(5)]
    same = table(*rows).hash()
    shuffled = rows[::-1]
    random.Random(0).shuffle(shuffled)
    assert table(*(dict(reversed(r.items())) for r in shuffled)).hash() == same
    later = [{**r, "created_at": "2031-01-01", "meta_seconds": 3.5} for r in rows]
    assert table(*later).hash() == same
    assert table(*[{**r, "name": ""} for r in rows]).hash() == same
    rows[3]["loss"] = math.nextafter(rows[3]["loss"], 10)
    assert table(*rows).hash() != same


def test_runs_without_an_id_get_one_from_their_content() -> None:
    bare = {"params_total": 1e6, "tokens": 2e7, "loss": 3.0}
    first, second = table(bare, {**bare, "loss": 2.9}).to_frame()["run_id"]
    assert first != second
    assert table({**bare, "created_at": "now"}).to_frame()["run_id"][0] == first


def test_repeated_rows_are_dropped_and_contradictions_refused() -> None:
    runs = table(row(0), row(1), row(0, created_at="later"))
    assert len(runs) == 2
    assert "1 more rows repeat another" in runs.summary()
    with pytest.raises(DataError, match="rows 1 and 2 have the same run_id 'r0' but differ"):
        table(row(0), row(0, loss=9.0))


def test_constant_is_what_all_used_rows_share() -> None:
    runs = table(
        row(0, vocab_size=512, d_model=8), row(1, vocab_size=512, d_model=16),
        row(2, reason="left out"),
    )  # fmt: skip
    assert runs.constant("V") == 512
    assert isinstance(runs.constant("vocab_size"), int)
    assert runs.constant("d_model") is None
    assert runs.constant("n_layer") is None
    assert table(row(0, n_layer=3), row(1)).constant("n_layer") is None
    assert table(row(0, dataset="C4"), row(1, dataset="C4")).constant("dataset") == "C4"


def test_columns_are_in_our_order_and_types_fit() -> None:
    runs = table({"flag": "True", "x": "1.5", "note": "a", **row(0, vocab_size=512.0, seed=0)})
    frame = runs.to_frame()
    assert list(frame)[:6] == ["run_id", "seed", "params_total", "vocab_size", "tokens", "loss"]
    assert list(frame)[-3:] == ["flag", "x", "note"]
    assert [frame[name].dtype.kind for name in ("flag", "x", "vocab_size")] == ["b", "f", "i"]


def test_values_of_numpy_and_pandas_are_taken() -> None:
    import pandas as pd

    odd = row(
        0,
        tokens=np.int64(7),
        loss=np.float32(0.5),
        created_at=pd.Timestamp("2030-01-02"),
        name=pd.NA,
        meta_list=np.asarray([1, 2]),
    )
    (back,) = table(odd).rows()
    assert (back["tokens"], back["loss"], back["created_at"]) == (7, 0.5, "2030-01-02T00:00:00")
    assert "name" not in back
    assert back["meta_list"] == "[1, 2]"


FLOATS = st.floats(min_value=5e-324, max_value=1.7e308)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(deadline=None, max_examples=60)
@example([(1e6, 2e7, 0.1, "a\rb"), (1e6, 2e7, 0.2, 'c\r\n"d",')])
@given(st.lists(st.tuples(FLOATS, FLOATS, FLOATS, TEXTS), min_size=1, max_size=5))
def test_csv_reads_back_exactly(tmp_path_factory: pytest.TempPathFactory, rows: list[Any]) -> None:
    path = tmp_path_factory.mktemp("csv") / "runs.csv"
    runs = table(
        *(
            {"run_id": f"r{i}", "params_total": n, "tokens": d, "loss": loss, "name": name}
            for i, (n, d, loss, name) in enumerate(rows)
        )
    )
    runs.to_csv(path)
    back = Runs.read(path)
    assert back.hash() == runs.hash()
    assert back.vector("L").tolist() == [r[2] for r in rows]


def test_writing_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        table(row()).to_csv(tmp_path / "file" / "runs.csv")


def test_summary_fits_a_terminal_and_names_conventions() -> None:
    runs = table(
        row(0, params_matmul=1e6, vocab_size=1000, d_model=512, flops=1e14,
            flops_convention="palm", loss_unit="nats_per_token"),
        row(1, reason="diverged: " + "x" * 100),
        row(2, status="crashed"),
    )  # fmt: skip
    text = runs.summary()
    assert text.splitlines()[0] == "3 runs: 1 for a fit, 2 left out"
    assert max(map(len, text.splitlines())) <= 80
    for part in ("params_matmul", "palm", "nats_per_token", "51% of N", "diverged", "'crashed'"):
        assert part in text
    assert "not said" in table(row(0, flops=1e14)).summary()
    assert "\n" not in repr(runs)
    assert runs._repr_html_().startswith("<pre>")
    assert runs.to_dict()["hash"] == runs.hash()


def test_html_is_escaped() -> None:
    assert "<script>" not in table(row(0, reason="<script>"))._repr_html_()


def test_example_runs_are_there_or_said_to_be_missing() -> None:
    from importlib import resources

    from isoloss.errors import NotFoundError

    if (resources.files("isoloss.runs") / "example.csv").is_file():
        assert len(example_runs().used()) > 10
    else:
        with pytest.raises(NotFoundError, match="bundled runs"):
            example_runs()


def test_importing_is_quick_and_needs_no_pytorch(python: Any) -> None:
    heavy = ("numpy", "pandas", "pyarrow", "sqlalchemy", "torch")
    done = python(f"import isoloss.runs\nassert not set({heavy!r}) & set(sys.modules)")
    assert done.returncode == 0, done.stderr


def test_a_summary_shows_groups_seeds_and_trunks() -> None:
    runs = table(*(row(i // 2, run_id=str(i), seed=i % 2, parent_id=f"t{i // 3}",
                       group="ab"[i % 2]) for i in range(6)))  # fmt: skip
    text = runs.summary()
    assert "groups  2: a 3, b 3" in text
    assert "trunks  2 shared by 6 runs" in text
    assert "seeds   2; 0 settings with more than one" in text
    same = table(*(row(i // 2, run_id=str(i), seed=i % 2) for i in range(6)))
    assert "seeds   2; 3 settings with more than one" in same.summary()
    assert "groups" not in same.summary()
