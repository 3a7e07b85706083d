"""The audit names the trap in a table, and finds none where there is none."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from isoloss.architecture import (
    config_for_width,
    count_parameters,
    training_flops,
)
from isoloss.runs import Runs, check_runs, example_runs

Row = dict[str, Any]
WIDTHS = (128, 192, 256, 384, 512, 768, 1024)


def loss_at(n: float, d: float, rng: np.random.Generator, noise: float = 0.003) -> float:
    """A Chinchilla law of about the published constants, with noise."""
    clean = 1.82 + 482 / n**0.348 + 2085 / d**0.366
    return float(clean * math.exp(noise * rng.standard_normal()))


def points(design: str, rng: np.random.Generator) -> list[tuple[float, float]]:
    """N and D of a ladder of one of four designs."""
    sizes = np.geomspace(2e7, 10 ** rng.uniform(9, 10.5), int(rng.integers(5, 9)))
    if design == "grid":
        return [(n, m * n) for n in sizes for m in (5, 10, 20, 40, 80, 160)]
    if design == "scatter":
        return [
            (float(n), float(n * m))
            for n, m in zip(
                np.exp(rng.uniform(np.log(2e7), np.log(5e9), 40)),
                np.exp(rng.uniform(np.log(3), np.log(300), 40)),
                strict=True,
            )
        ]
    if design == "isoflop":
        budgets = np.geomspace(1e18, 1e21, 5)
        best = np.sqrt(budgets / 120)
        return [
            (float(n), float(c / 6 / n))
            for c, middle in zip(budgets, best, strict=True)
            for n in middle * np.geomspace(0.25, 4, 7)
        ]
    tokens = np.geomspace(1e9, 1e11, 6)
    return [(float(n), float(d)) for n in sizes for d in tokens]


def ladder(design: str, seed: int) -> list[Row]:
    """A clean table of N, D, C and loss alone."""
    rng = np.random.default_rng(seed)
    return [
        {
            "params_total": round(n),
            "tokens": round(d),
            "flops": 6.0 * round(n) * round(d),
            "loss": loss_at(n, d, rng),
        }
        for n, d in points(design, rng)
    ]


def shaped(family: str, seed: int = 0, convention: str = "params_total") -> list[Row]:
    """A clean table of real shapes, with FLOP as PaLM counts them and every column told."""
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for width in WIDTHS:
        shape = config_for_width(
            width, vocab_size=32_768, context_length=2048, n_layer=width // 64 + 4, family=family
        )
        counts = count_parameters(shape)
        for ratio in (5, 15, 45, 135):
            d = ratio * counts.total // 65_536 * 65_536
            rows.append(
                {
                    "params_total": counts.total,
                    "params_non_embedding": counts.non_embedding,
                    "params_matmul": counts.matmul,
                    "n_layer": shape.n_layer,
                    "d_model": width,
                    "n_head": shape.n_head,
                    "d_ff": shape.d_ff,
                    "vocab_size": 32_768,
                    "context_length": 2048,
                    "tokens": d,
                    "steps": d // 65_536,
                    "batch_tokens": 65_536,
                    "learning_rate": 1e-3,
                    "schedule": "cosine",
                    "flops": training_flops(shape, d, "palm"),
                    "flops_convention": "palm",
                    "loss": loss_at(getattr(counts, convention.removeprefix("params_")), d, rng),
                    "loss_unit": "nats_per_token",
                    "dataset": "web",
                    "tokenizer": "bpe-32768",
                }
            )
    return rows


def audit(rows: list[Row]) -> Any:
    return check_runs(Runs.from_rows(rows))


def named(rows: list[Row]) -> dict[str, str]:
    """Names of the findings beyond notes, with their severity."""
    return {f.name: f.severity for f in audit(rows).findings if f.severity != "note"}


# What is clean


def test_the_bundled_example_is_clean() -> None:
    found = check_runs(example_runs())
    assert found.ok
    assert [finding.name for finding in found.findings] == ["head_share"]
    assert "params_matmul agrees with the shapes as params_matmul (isoloss), 0.0% off" in (
        found.conventions
    )


@pytest.mark.parametrize("design", ["grid", "scatter", "isoflop", "lattice"])
@pytest.mark.parametrize("seed", range(10))
def test_clean_ladders_have_no_warning(design: str, seed: int) -> None:
    assert named(ladder(design, seed)) == {}


@pytest.mark.parametrize("family", ["isoloss", "llama", "qwen3", "gpt2"])
def test_clean_shapes_have_no_warning_and_are_recognised(family: str) -> None:
    found = audit(shaped(family))
    assert [f for f in found.findings if f.severity != "note"] == []
    for name in ("params_total", "params_non_embedding", "params_matmul"):
        assert any(text.startswith(f"{name} agrees with the shapes as {name}") for text in
                   found.conventions), found.conventions  # fmt: skip


def test_seeds_and_branches_of_a_trunk_are_clean() -> None:
    rows: list[Row] = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        rows += [
            {
                **row,
                "loss": loss_at(row["params_total"], row["tokens"], rng),
                "seed": seed,
                "parent_id": f"{row['params_total']}-{seed}",
                "schedule": "wsd:100:0.2",
                "own_flops": row["flops"] / 3,
            }
            for row in ladder("lattice", seed=1)
        ]
    assert named(rows) == {}


# Traps of units


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (("params_total", "tokens"), "millions or billions"),
        (("params_total",), "millions or billions"),
        (("tokens",), "tokens"),
    ],
)
def test_a_table_in_billions(columns: tuple[str, ...], says: str) -> None:
    rows = [{**row, **{c: row[c] / 1e9 for c in columns}} for row in ladder("grid", 0)]
    for without in ((), ("flops",)):
        kept = [{k: v for k, v in row.items() if k not in without} for row in rows]
        (found,) = [f for f in audit(kept).findings if f.severity == "error"]
        assert found.name == "units"
        assert says in found.message
        assert "1e9" in found.cure


def test_flop_in_units_of_their_own() -> None:
    rows = [{**row, "flops": row["flops"] / 1e18} for row in ladder("grid", 0)]
    assert named(rows)["units"] == "error"


def test_losses_in_bits() -> None:
    rows = [{**row, "loss": row["loss"] / math.log(2)} for row in ladder("grid", 0)]
    assert named(rows) == {"bits": "warning"}
    told = [{**row, "loss_unit": "bits_per_token"} for row in rows]
    assert named(told) == {}
    assert "loss_unit" in audit(told)


def test_bits_by_what_the_metric_is_called_and_by_its_double() -> None:
    small = [{"params_total": 1e5 * 2**i, "tokens": 1e6 * 2**j, "loss": 3 - i / 50 - j / 50}
             for i in range(1, 6) for j in range(1, 6)]  # fmt: skip
    assert named(small) == {}
    assert "bits" in named([{**row, "metric_name": "val bits per byte"} for row in small])
    assert "bits" in named([{**row, "bits_per_byte": row["loss"]} for row in small])


def test_losses_above_that_of_guessing() -> None:
    rows = shaped("llama")
    rows[3]["loss"] = 11.2
    found = audit(rows)
    (guess,) = [f for f in found.findings if f.name == "above_guessing"]
    assert guess.rows == (found_id(rows, 3),)
    assert "11.200 against 10.397" in guess.message


def found_id(rows: list[Row], index: int) -> str:
    return Runs.from_rows(rows).to_frame()["run_id"].tolist()[index]


# Traps of conventions


def mixed(rows: list[Row], is_other: Callable[[int, Row], bool]) -> list[Row]:
    return [
        {**row, "params_total": row["params_non_embedding"]} if is_other(i, row) else row
        for i, row in enumerate(rows)
    ]


SORTED = {
    "every third": lambda i, row: i % 3 == 0,
    "the small": lambda i, row: row["d_model"] <= 256,
    "the large": lambda i, row: row["d_model"] >= 512,
}


@pytest.mark.parametrize("which", SORTED)
def test_total_and_non_embedding_mixed_are_seen_by_shapes(which: str) -> None:
    rows = mixed(shaped("llama"), SORTED[which])
    found = audit([{k: v for k, v in row.items() if k != "flops"} for row in rows])
    (finding,) = [f for f in found.findings if f.name == "mixed_n"]
    assert 2 <= len(finding.rows) <= len(rows) / 2


@pytest.mark.parametrize("which", SORTED)
@pytest.mark.parametrize("convention", ["total", "non_embedding"])
def test_total_and_non_embedding_mixed_are_seen_by_six_n_d(which: str, convention: str) -> None:
    rows = [
        {**row, "flops": 6.0 * row[f"params_{convention}"] * row["tokens"]}
        for row in shaped("llama")
    ]
    kept = ("params_total", "tokens", "flops", "loss")
    table = [{k: row[k] for k in kept} for row in mixed(rows, SORTED[which])]
    assert "mixed_n" in named(table)
    clean = [{k: row[k] for k in kept} for row in rows]
    assert named(clean) == {}


def test_total_and_non_embedding_mixed_are_seen_by_flop_of_another_kind() -> None:
    rows = mixed(shaped("llama"), SORTED["every third"])
    kept = ("params_total", "tokens", "flops", "loss")
    assert "mixed_n" in named([{k: row[k] for k in kept} for row in rows])
    clean = [{k: row[k] for k in kept} for row in shaped("llama")]
    assert named(clean) == {}


def test_two_kinds_of_losses_are_seen_by_the_losses_alone() -> None:
    rows = [{**row, "loss": row["loss"] * (1.08 if i % 3 == 0 else 1)}
            for i, row in enumerate(ladder("scatter", 0))]  # fmt: skip
    found = audit(rows)
    (finding,) = [f for f in found.findings if f.severity != "note"]
    assert finding.name == "two_groups"
    mixed_in = {found_id(rows, i) for i in range(0, len(rows), 3)}
    assert len(mixed_in ^ set(finding.rows)) <= 1


def test_counts_in_two_columns_are_an_error() -> None:
    rows = shaped("llama")
    for row in rows[::2]:
        del row["params_total"]
    for row in rows[1::2]:
        del row["params_non_embedding"]
    for row in rows:
        del row["params_matmul"]
    assert named(rows)["mixed_n"] == "error"


def test_a_count_under_the_wrong_name() -> None:
    rows = [{**row, "params_total": row["params_non_embedding"]} for row in shaped("gpt2")]
    assert named(rows) == {"n_convention": "warning"}


def test_a_non_embedding_count_that_holds_the_head_is_seen_without_the_vocabulary() -> None:
    kept = ("n_layer", "d_model", "tokens", "loss")
    rows = [
        {**{k: row[k] for k in kept}, "params_non_embedding": row["params_matmul"]}
        for row in shaped("llama", convention="params_matmul")
    ]
    assert named(rows) == {"n_convention": "warning"}
    right = [{**r, "params_non_embedding": full["params_non_embedding"]}
             for r, full in zip(rows, shaped("llama"), strict=True)]  # fmt: skip
    found = audit(right)
    assert any("the blocks alone" in text for text in found.conventions)
    assert "n_convention" not in found


def test_flop_beyond_the_whole_and_tokens_beyond_the_steps() -> None:
    rows = shaped("llama")
    rows[2]["own_flops"] = 2 * rows[2]["flops"]
    rows[5]["batch_tokens"] /= 8
    assert named(rows) == {"own_flops": "warning", "tokens_against_steps": "warning"}


# Traps of repetition


def test_the_same_run_twice_and_nearly() -> None:
    rows = [{**row, "run_id": f"a{i}"} for i, row in enumerate(ladder("grid", 0))]
    assert named([*rows, {**rows[4], "run_id": "b"}]) == {"duplicates": "warning"}
    near = {**rows[4], "run_id": "b", "params_total": rows[4]["params_total"] * 1.001}
    assert named([*rows, {**near, "loss": round(rows[4]["loss"], 4)}]) == {
        "near_duplicates": "warning"
    }


def test_views_of_one_run_are_mixed() -> None:
    rows = ladder("grid", 0)
    views = [{**row, "view": view, "loss": row["loss"] * factor}
             for row in rows for view, factor in (("hot", 1.02), ("cold", 1.0))]  # fmt: skip
    found = [f for f in audit(views).findings if f.name == "mixed_views"]
    assert [f.severity for f in found] == ["warning"]
    assert "view: cold, hot" in found[0].message
    assert "mixed_views" not in named([row for row in views if row["view"] == "cold"])


def test_a_sweep_is_mixed_in() -> None:
    rows = [{**row, "learning_rate": rate, "loss": row["loss"] * (1 + 5 * rate)}
            for row in ladder("grid", 0) for rate in (1e-3, 4e-3)]  # fmt: skip
    assert named(rows) == {"sweep": "warning"}


@pytest.mark.parametrize("column", ["dataset", "tokenizer", "objective"])
def test_data_that_do_not_compare(column: str) -> None:
    rows = [{**row, column: "ab"[i % 2]} for i, row in enumerate(ladder("scatter", 0))]
    assert named(rows) == {f"mixed_{column}s": "warning"}
    (found,) = [f for f in audit(rows).findings if f.severity != "note"]
    assert ("bits_per_byte" in found.cure) == (column == "tokenizer")


def test_vocabularies_of_several_sizes_are_several_tokenisers() -> None:
    rows = [{**row, "vocab_size": (32_000, 50_304)[i % 2]}
            for i, row in enumerate(ladder("scatter", 0))]  # fmt: skip
    assert named(rows) == {"mixed_tokenizers": "warning"}


# Traps of ends


def test_checkpoints_by_their_spacing_by_their_parent_and_by_what_they_are_called() -> None:
    rng = np.random.default_rng(0)
    spaced = [
        {"params_total": n, "tokens": d, "loss": loss_at(n, d, rng)}
        for n in (1e8, 3e8, 1e9)
        for d in np.arange(1, 13) * 1e9
    ]
    assert named(spaced) == {"checkpoints": "warning"}
    rows = ladder("grid", 0)
    one_run = [{**row, "parent_id": f"run of {row['params_total']}"} for row in rows]
    assert named(one_run) == {"checkpoints": "warning"}
    branches = [{**row, "schedule": "cosine"} for row in one_run]
    assert named(branches) == {}
    called = [{**row, "metric_name": "loss at an intermediate step"} for row in rows]
    assert named(called) == {"checkpoints": "warning"}


def test_what_cannot_be_known_of_checkpoints_is_a_note() -> None:
    found = audit(ladder("grid", 0))
    assert [f.severity for f in found.findings if f.name == "checkpoints"] == ["note"]
    told = [{**row, "schedule": "cosine"} for row in ladder("grid", 0)]
    assert "checkpoints" not in audit(told)


def test_undecayed_rows_among_decayed_ones() -> None:
    rows = [{**row, "schedule": ("cosine", "constant")[i % 2]}
            for i, row in enumerate(ladder("scatter", 0))]  # fmt: skip
    assert named(rows) == {"not_decayed": "warning"}
    every = [{**row, "schedule": "constant"} for row in rows]
    assert named(every) == {}
    assert "not_decayed" in audit(every)


def test_diverged_and_unfinished_runs() -> None:
    rows = ladder("grid", 0)
    rows[7]["loss"] *= 1.4
    rows.append({"params_total": 1e9, "tokens": 1e9, "status": "diverged"})
    rows.append({"params_total": 1e9, "tokens": 2e9, "status": "running"})
    found = audit(rows)
    assert set(named(rows)) == {"outliers", "rising_loss"}
    for name in ("outliers", "rising_loss"):
        (finding,) = [f for f in found.findings if f.name == name]
        assert found_id(rows, 7) in finding.rows
    (unfinished,) = [f for f in found.findings if f.name == "unfinished"]
    assert "1 diverged, 1 running" in unfinished.message


def test_repeated_text_is_told() -> None:
    rows = [{**row, "unique_tokens": 1e9} for row in ladder("grid", 0)]
    assert "repeated_data" in audit(rows)
    assert named(rows) == {}


# Traps of the spread


def test_one_ratio_one_size_one_budget() -> None:
    rows = ladder("grid", 0)
    line = [row for row in rows if round(row["tokens"] / row["params_total"]) == 20]
    assert named(line * 1)["one_line"] == "error"
    size = [row for row in rows if row["params_total"] == rows[0]["params_total"]]
    assert named(size)["not_identified"] == "error"
    profile = [r for r in ladder("isoflop", 0) if r["flops"] < 1.1e18]
    assert "one_budget" in named(profile) or "one_line" in named(profile)


def test_short_ranges_and_few_rows() -> None:
    rows = [row for row in ladder("scatter", 0) if 2e8 < row["params_total"] < 6e8]
    assert named(rows) == {"short_range": "warning"}
    assert "few_runs" in named(ladder("scatter", 0)[:6])


def test_no_rows_for_a_fit() -> None:
    rows = [{"params_total": 1e6, "tokens": 1e7, "status": "failed"}]
    assert named(rows) == {"no_rows": "error"}


# What is missing, and how it is told


def test_what_is_missing_is_said_with_what_it_stops() -> None:
    missing = dict(audit(ladder("grid", 0)).missing)
    assert "weighting by noise" in missing["loss_se"]
    assert "n_layer, d_model, vocab_size" in missing
    assert not {"tokens", "flops"} & set(missing)
    rows = shaped("llama")
    del rows[0]["learning_rate"]
    (gaps,) = [f for f in audit(rows).findings if f.name == "gaps"]
    assert "learning_rate in 1" in gaps.message


def test_a_summary_fits_a_page_and_the_document_is_json() -> None:
    rows = mixed(shaped("llama"), SORTED["every third"])
    found = audit([{**row, "view": "x" * 300} for row in rows])
    lines = found.summary().split("\n")
    assert max(map(len, lines)) <= 80
    assert len(lines) < 70
    document = json.loads(json.dumps(found.to_dict()))
    assert document["ok"] is False
    assert {f["name"] for f in document["findings"]} == {f.name for f in found.findings}
    assert set(found.to_frame()["name"]) == {f.name for f in found.findings}
    assert repr(found).startswith("<Audit: 28 rows, 0 errors, ")


_number = st.one_of(
    st.sampled_from([1, 2.0, 3, 1e-3, 32, 64, 1e6, 1e9, 7e30]),
    st.floats(min_value=1e-30, max_value=1e30),
)
_word = st.sampled_from(["", "a", "b", "constant", "cosine", "bits per byte", "checkpoint 3"])
NUMBERS = [
    "params_matmul",
    "params_non_embedding",
    "flops",
    "own_flops",
    "n_layer",
    "d_model",
    "d_ff",
    "n_head",
    "vocab_size",
    "steps",
    "batch_tokens",
    "learning_rate",
    "unique_tokens",
    "seed",
    "bits_per_byte",
    "metric_x",
]
WORDS = [
    "schedule",
    "dataset",
    "tokenizer",
    "group",
    "parent_id",
    "name",
    "loss_unit",
    "metric_name",
    "view",
    "status",
]
_row = st.fixed_dictionaries(
    dict.fromkeys(("params_total", "tokens", "loss"), _number),
    optional=dict.fromkeys(NUMBERS, st.none() | _number) | dict.fromkeys(WORDS, _word),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(_row, min_size=1, max_size=30))
def test_any_table_can_be_audited(rows: list[Row]) -> None:
    runs = Runs.from_rows(rows)
    found = check_runs(runs)
    assert max(map(len, found.summary().split("\n"))) <= 80
    json.dumps(found.to_dict(), allow_nan=False)
    known = set(runs.to_frame()["run_id"])
    assert all(set(finding.rows) <= known for finding in found.findings)


# Real tables


REAL: dict[str, tuple[dict[str, str], set[str]]] = {
    "porian_kaplan_chinchilla": (
        {"params": "params_total"},
        {"mixed_n", "checkpoints", "mixed_views", "mixed_datasets", "mixed_metrics", "not_decayed"},
    ),
    "gemstones": ({"params": "params_total"}, {"mixed_views", "checkpoints"}),
    "chinchilla_epoch": ({"params": "params_total"}, {"outliers"}),
    "gadre_overtraining": ({"params": "params_total"}, {"n_convention", "mixed_datasets"}),
    "olmo_ladder": ({}, {"duplicates", "mixed_views"}),
    "routed_moe_clark": (
        {"params": "params_total", "active_params": "params_active"},
        {"not_identified", "mixed_views"},
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_tables(shared_data: Path, name: str) -> None:
    columns, expected = REAL[name]
    runs = Runs.read(shared_data / "runs" / name / "runs.csv", columns)
    found = check_runs(runs)
    assert expected <= {f.name for f in found.findings if f.severity != "note"}
    assert max(map(len, found.summary().split("\n"))) <= 80


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("chinchilla_epoch", {"params": "params_total"}),
        ("gadre_overtraining", {"params": "params_total"}),
        ("gemstones", {"params": "params_total"}),
        ("olmo_ladder", {}),
        ("datablations", {"params": "params_total"}),
    ],
)
def test_real_tables_turned_into_bits(
    shared_data: Path, name: str, columns: dict[str, str]
) -> None:
    runs = Runs.read(shared_data / "runs" / name / "runs.csv", columns)
    assert "bits" not in check_runs(runs)
    frame = runs.to_frame()
    in_bits = Runs.from_frame(frame.assign(loss=frame["loss"] / math.log(2)))
    assert "bits" in check_runs(in_bits)


def test_five_points_of_chinchilla_that_lie_apart(shared_data: Path) -> None:
    runs = Runs.read(shared_data / "runs/chinchilla_epoch/runs.csv", {"params": "params_total"})
    (found,) = [f for f in check_runs(runs).findings if f.name == "outliers"]
    frame = runs.to_frame()
    excluded = set(frame["run_id"][frame["epoch_excluded_outlier"]])
    assert set(found.rows) <= excluded


def test_one_corpus_of_a_real_table_is_clean_but_for_its_name_of_n(shared_data: Path) -> None:
    columns = {"params": "params_total"}
    runs = Runs.read(shared_data / "runs/gadre_overtraining/runs.csv", columns)
    one = runs.where(lambda r: r["dataset"] == "rpj")
    assert {f.name for f in check_runs(one).findings if f.severity != "note"} == {"n_convention"}
