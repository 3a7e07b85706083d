"""Imports as a whole: tables, folders, derived figures, points, ids."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from isoloss.architecture import count_parameters, preset, training_flops
from isoloss.errors import DataError, IsolossError, NotFoundError, UsageError
from isoloss.fitting import fit
from isoloss.runs import Runs, RunStore, example_runs
from isoloss.runs.importers import Format, Imported, RunHistory, Series, import_runs
from isoloss.runs.importers.locating import located

GOLDEN = Path(__file__).parent / "golden"
ROW = "params_total,tokens,loss\n1000000,20000000,3.5\n2000000,40000000,3.1\n"


def table(folder: Path, text: str, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_table_in_our_columns(tmp_path: Path) -> None:
    path = table(tmp_path, ROW)
    imported = import_runs(path)
    first = imported.runs.rows()[0]
    assert (first["source"], first["source_row"]) == (str(path), 1)
    assert first["flops"] == 6e6 * 2e7
    assert first["flops_convention"] == "6nd_total"
    assert first["meta_derived"] == "flops: 6·params_total·tokens"
    assert imported.derived == {"flops": 2}
    assert repr(imported) == "<Imported: 2 rows, 2 for a fit, of csv>"
    json.dumps(imported.to_dict(), allow_nan=False)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_kind_of_table_gives_the_same_runs(tmp_path: Path, suffix: str) -> None:
    frame = Runs.read(table(tmp_path, ROW)).to_frame()[["params_total", "tokens", "loss"]]
    other = tmp_path / f"other.{suffix}"
    if suffix == "parquet":
        frame.to_parquet(other)
    elif suffix == "jsonl":
        frame.to_json(other, orient="records", lines=True)
    else:
        frame.to_csv(other, index=False, sep="\t" if suffix == "tsv" else ",")
    ids = [row["run_id"] for row in import_runs(other).runs.rows()]
    assert ids == [row["run_id"] for row in import_runs(tmp_path / "runs.csv").runs.rows()]


def test_nested_objects_are_columns_with_dots(tmp_path: Path) -> None:
    line = {"config": {"n_params": 1e6}, "result": {"loss": 3.5}, "tokens": 2e7}
    path = table(tmp_path, json.dumps(line), "runs.jsonl")
    given = {"config.n_params": "params_total", "result.loss": "loss"}
    row = import_runs(path, columns=given).runs.rows()[0]
    assert (row["params_total"], row["loss"]) == (1e6, 3.5)


def test_a_unit_in_the_header_is_shown_but_not_imported_in_silence() -> None:
    path = GOLDEN / "tables/billions.csv"
    with pytest.raises(DataError, match="unit") as caught:
        import_runs(path)
    assert '--map "tokens=Tokens (B):1e9"' in caught.value.hint
    shown = import_runs(path, preview=True)
    assert len(shown.unconfirmed) == 2
    assert shown.runs.vector("D").tolist() == [1.4e9, 3.2e9, 8.2e9]
    given = {"Tokens (B)": "tokens:1e9", "Model Size (M)": "params_total:1e6"}
    assert import_runs(path, columns=given).runs.vector("N").tolist() == [7e7, 1.6e8, 4.1e8]


def test_counts_that_are_too_small_have_to_be_confirmed(tmp_path: Path) -> None:
    path = table(tmp_path, "params_total,tokens,loss\n0.07,1.4,3.5\n7,140,2.5\n")
    with pytest.raises(DataError) as caught:
        import_runs(path)
    assert '"params_total=params_total:1e9"' in caught.value.hint
    given = {"params_total": "params_total:1e9", "tokens": "tokens:1e9"}
    assert import_runs(path, columns=given).runs.vector("N").tolist() == [7e7, 7e9]
    as_they_are = {"params_total": "params_total:1", "tokens": "tokens:1"}
    assert import_runs(path, columns=as_they_are).runs.vector("N").tolist() == [0.07, 7]


def test_parameters_tokens_and_flop_follow_from_shapes_and_steps() -> None:
    rows = import_runs(GOLDEN / "tables/shapes.csv").runs.rows()
    assert rows[0]["tokens"] == 1000 * 65536
    assert rows[0]["params_non_embedding"] == 12 * 4 * 256**2
    assert rows[0]["params_matmul"] == 12 * 4 * 256**2 + 8192 * 256
    assert rows[0]["flops"] == 6 * rows[0]["params_matmul"] * rows[0]["tokens"]
    assert "params_total" not in rows[0]
    assert "steps x batch_tokens" in rows[0]["meta_derived"]


def test_a_feed_forward_part_that_may_be_gated_is_not_guessed(tmp_path: Path) -> None:
    path = table(tmp_path, "n_layer,d_model,d_ff,vocab_size,tokens,loss\n4,256,688,8192,1e8,3.9\n")
    with pytest.raises(DataError, match="counts parameters"):
        import_runs(path)
    # A config says the form; depth, width and vocabulary are the row's.
    row = import_runs(path, config="llama-2-7b").runs.rows()[0]
    assert row["params_matmul"] == 4 * (4 * 256**2 + 3 * 256 * 688) + 8192 * 256
    assert "at the row's" in row["meta_derived"]


def test_a_public_models_name_gives_counts_and_flop(tmp_path: Path) -> None:
    path = table(tmp_path, "tokens,context_length,loss\n1e9,512,3.5\n")
    row = import_runs(path, config="gpt2").runs.rows()[0]
    config = preset("gpt2").config
    assert row["params_total"] == count_parameters(config).total == 124_439_808
    assert row["flops_convention"] == "palm"
    # Attention over rows of 512, not of GPT-2's 1024.
    assert row["flops"] < training_flops(config, 1e9, "palm")
    assert row["flops"] > training_flops(config, 1e9, "matmul")


@pytest.mark.parametrize("name", ["config.json", "model.toml"])
def test_a_config_file(tmp_path: Path, name: str) -> None:
    ours = {"vocab_size": 512, "context_length": 64, "d_model": 32, "n_layer": 2, "n_head": 2}
    text = json.dumps({**ours, "d_ff": 128, "family": "gpt2"})
    if name.endswith("toml"):
        lines = [f"{key} = {value}" for key, value in {**ours, "d_ff": 128}.items()]
        text = "\n".join(["[model]", 'family = "gpt2"', *lines])
    path = table(tmp_path, text, name)
    row = import_runs(table(tmp_path, "tokens,loss\n1e6,3.5\n"), config=path).runs.rows()[0]
    blocks = 2 * (12 * 32**2 + 13 * 32) + 2 * 32
    assert row["params_total"] == 512 * 32 + 64 * 32 + blocks


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"model_type": "mamba"}', "cannot count model_type 'mamba'"),
        ('{"model_type": "llama", "hidden_size": 8}', "lacks vocab_size"),
        ("[1]", "expected an object"),
        ("{", "cannot be read"),
    ],
)
def test_a_config_that_says_no_shape_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = table(tmp_path, text, "config.json")
    with pytest.raises(DataError, match=says):
        import_runs(table(tmp_path, ROW), config=path)


def test_a_shape_that_disagrees_with_the_count_is_told(tmp_path: Path) -> None:
    notes = import_runs(table(tmp_path, ROW), config="gpt2").notes
    assert any("but the shape" in note for note in notes)


def test_rows_that_lack_something_stay_with_their_reason(tmp_path: Path) -> None:
    path = table(tmp_path, "params_total,tokens,loss\n1e6,2e7,3.5\n,2e7,3.4\n1e6,2e7,nan\n")
    runs = import_runs(path).runs
    assert len(runs) == 3
    assert len(runs.used()) == 1
    assert runs.rows()[1]["reason"].startswith("no count of parameters")
    assert runs.rows()[2]["reason"] == "no loss: give --loss"


def test_a_table_that_lacks_a_column_is_refused_with_close_names(tmp_path: Path) -> None:
    path = table(tmp_path, "tokens,loss,dense_parameter_count\n2e7,3.5,1e6\n")
    with pytest.raises(DataError, match="did you mean 'dense_parameter_count'"):
        import_runs(path)


def test_a_wrong_value_is_named_with_its_row(tmp_path: Path) -> None:
    path = table(tmp_path, "params_total,tokens,loss\n1e6,2e7,3.5\n1e6,2e7,-1\n")
    with pytest.raises(DataError, match=r"runs\.csv, row 2, column 'loss'"):
        import_runs(path)


def test_a_folder_of_many_runs_in_several_formats(tmp_path: Path) -> None:
    for index in range(3):
        folder = tmp_path / f"run{index}"
        folder.mkdir()
        text = (GOLDEN / "nanogpt/finished.txt").read_text("utf-8")
        (folder / "train.log").write_text(
            text.replace("val loss 2.", f"val loss 2.{index}"), "utf-8"
        )
        (folder / "README.md").write_text("notes\n", "utf-8")
    table(tmp_path, ROW)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "trainer_state.json").write_text('{"log_history": [', "utf-8")
    imported = import_runs(tmp_path)
    assert {source.format: source.n_rows for source in imported.sources} == {"csv": 2, "nanogpt": 3}
    names = {row["name"] for row in imported.runs.rows() if "name" in row}
    assert names == {"run0", "run1", "run2"}
    why = {Path(path).name: reason for path, reason in imported.skipped.items()}
    assert why["README.md"] == "no known format"
    assert "cut short" in why["broken"]
    assert "left out 4 files" in imported.summary()


def test_a_folder_above_logs_of_many_programs_is_looked_into() -> None:
    found, _ = located([str(GOLDEN)], None)
    formats = Counter(one.name for one, _, _ in found)
    # One W&B folder with its three runs, one run of the Trainer with its checkpoint.
    assert (formats["wandb"], formats["hf-trainer"], formats["tensorboard"]) == (1, 1, 1)
    assert (formats["nanogpt"], formats["megatron"], formats["olmo"]) == (2, 2, 2)


def test_several_sources(tmp_path: Path) -> None:
    one, two = table(tmp_path, ROW), table(tmp_path, ROW.replace("3.5", "3.6"), "b.csv")
    # The row that both have is one run.
    assert len(import_runs([one, two]).runs) == 4 - 1


def test_checkpoints_share_the_id_of_the_last_row_and_a_fit_sees_them(tmp_path: Path) -> None:
    imported = import_runs(GOLDEN / "nanogpt/resumed.txt", points="all")
    rows = imported.runs.rows()
    assert [row["meta_checkpoint"] for row in rows] == [True, True, True, True, False]
    assert {row["parent_id"] for row in rows} == {rows[-1]["run_id"]}
    assert len({row["run_id"] for row in rows}) == 5
    assert [row["tokens"] for row in rows] == [512 * s for s in (20, 40, 60, 80, 100)]
    assert set(imported.runs.clusters().tolist()) == {0}


def test_checkpoints_of_many_runs_are_caught_by_the_check_of_a_fit(tmp_path: Path) -> None:
    lines: list[str] = []
    for i, n in enumerate((1e6, 2e6, 4e6, 8e6)):
        for end in (400, 800, 1600):
            run = f"r{i}-{end}"
            begin = {"event": "config", "run": run, "params_total": n, "batch_tokens": 65536}
            lines.append(json.dumps(begin))
            for step in (end // 4, end // 2, end):
                high = 0.3 if step < end else 0.0
                loss = 1.7 + 400 / n**0.34 + 410 / (step * 65536) ** 0.28 + high
                loss += 1e-3 * ((7 * step + i) % 5)
                lines.append(json.dumps({"event": "eval", "run": run, "step": step, "loss": loss}))
            lines.append(json.dumps({"event": "end", "run": run}))
    path = table(tmp_path, "\n".join(lines), "runs.jsonl")
    checks = {c.name: c for c in fit(import_runs(path, points="all").runs, bootstrap=0).checks}
    assert not checks["checkpoints"].passed
    checks = {c.name: c for c in fit(import_runs(path).runs, bootstrap=0).checks}
    assert checks["checkpoints"].passed


def test_totals_at_a_checkpoint_are_a_share_and_say_so() -> None:
    rows = import_runs(GOLDEN / "hf/llama-tiny", points="all").runs.rows()
    assert rows[0]["flops"] == pytest.approx(rows[-1]["flops"] * 5 / 20)
    assert "share 5/20" in rows[0]["meta_derived"]
    assert "share" not in rows[-1]["meta_derived"]


def test_a_run_has_one_id_wherever_its_log_lies(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "finished.txt"
    copy.write_bytes((GOLDEN / "nanogpt/finished.txt").read_bytes())
    first, second = import_runs(GOLDEN / "nanogpt/finished.txt"), import_runs(copy)
    assert first.runs.rows()[0]["run_id"] == second.runs.rows()[0]["run_id"]
    assert first.runs.rows()[0]["source"] != second.runs.rows()[0]["source"]


def test_a_store_is_a_source(tmp_path: Path) -> None:
    with RunStore.open(tmp_path / "a.sqlite") as store:
        for row in example_runs().rows():
            store.add_run(row)
    imported = import_runs(tmp_path / "a.sqlite")
    assert imported.runs.hash() == example_runs().hash()
    assert imported.sources[0].format == "isoloss-store"


@pytest.mark.parametrize(
    ("settings", "error", "says"),
    [
        ({"format": "csvv"}, UsageError, "Did you mean 'csv'"),
        ({"points": "some"}, UsageError, ""),
        ({"loss": "loss", "columns": {"x": "loss"}}, UsageError, ""),
        ({"config": "no-such-model"}, UsageError, "isoloss model list"),
        ({"config": "none.json"}, NotFoundError, ""),
        ({"format": "wandb-api"}, UsageError, ""),
        ({"columns": {"toks": "tokens"}}, DataError, "tokens"),
    ],
)
def test_wrong_settings(tmp_path: Path, settings, error, says: str) -> None:
    with pytest.raises(error) as caught:
        import_runs(table(tmp_path, ROW), **settings)
    assert says in caught.value.hint
    assert isinstance(caught.value, IsolossError)


@pytest.mark.parametrize(
    ("name", "n_rows", "n_used"),
    [
        ("chinchilla_epoch", 245, 245),
        ("gadre_overtraining", 104, 104),
        ("olmo_ladder", 41, 41),
        ("datablations", 229, 229),
        ("gemstones", 1588, 1588),
        ("porian_kaplan_chinchilla", 1745, 1745),
        ("routed_moe_clark", 223, 223),
        ("regmix", 1088, 1088),
    ],
)
def test_public_tables_are_guessed(shared_data: Path, name: str, n_rows: int, n_used: int) -> None:
    imported: Imported = import_runs(shared_data / "runs" / name / "runs.csv")
    assert (len(imported.runs), len(imported.runs.used())) == (n_rows, n_used)
    assert not imported.unconfirmed


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("bnsl_addition/runs.csv", "counts parameters"),
        ("lr_anneal_mpl/curves.csv", "tokens"),
        ("scalebench/moe/train.parquet", "dense_parameter_count"),
        ("scalebench/vocab/train.parquet", "unigram_normalized_loss"),
    ],
)
def test_public_tables_that_lack_something_are_refused(
    shared_data: Path, name: str, says: str
) -> None:
    with pytest.raises(DataError, match=says):
        import_runs(shared_data / "runs" / name)


def events(run: str, tokens: list[float | None], n: float = 1e6) -> list[str]:
    """A run whose loss is evaluated every 100 steps, with the tokens said there."""
    made = [{"event": "config", "run": run, "params_total": n}]
    for index, seen in enumerate(tokens):
        step = 100 * (index + 1)
        count = {} if seen is None else {"tokens": seen}
        made.append({"event": "eval", "run": run, "step": step, "loss": 4 - step / 1e3, **count})
    return [json.dumps(event) for event in [*made, {"event": "end", "run": run}]]


def test_tokens_that_do_not_rise_are_no_total(tmp_path: Path) -> None:
    path = table(tmp_path, "\n".join(events("a", [4096, 4096, 4096])), "runs.jsonl")
    imported = import_runs(path)
    assert any("does not rise" in note for note in imported.notes)
    assert "tokens" not in imported.runs.rows()[0]
    row = import_runs(path, columns={"tokens": "tokens"}).runs.rows()[0]
    assert row["tokens"] == 4096


def test_tokens_beyond_where_they_were_logged_go_on_with_the_steps(tmp_path: Path) -> None:
    path = table(tmp_path, "\n".join(events("a", [1e6, 2e6, None, None])), "runs.jsonl")
    rows = import_runs(path, points="all").runs.rows()
    assert [row["tokens"] for row in rows] == [1e6, 2e6, 3e6, 4e6]
    assert "in proportion to that of step 200" in rows[-1]["meta_derived"]
    assert "tokens:" not in rows[0]["meta_derived"]


def test_a_log_that_is_there_twice_is_one_run(tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        table(tmp_path / folder, "\n".join(events("x", [1e6, 2e6])), "runs.jsonl")
    assert len(import_runs(tmp_path).runs) == 1
    assert len(import_runs(tmp_path, points="all").runs) == 2


def test_small_counts_of_free_formats_have_to_be_confirmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history = RunHistory(
        name="r",
        source="r",
        config={"n_params": 1.3, "batch_tokens": 65536},
        metrics={"eval/loss": Series(steps=(100.0,), values=(3.1,))},
    )
    monkeypatch.setattr(Format, "read", lambda *_: [history])
    path = table(tmp_path, "", "run.log")
    with pytest.raises(DataError) as caught:
        import_runs(path, format="mlflow")
    assert '--map "params_total=config.n_params:1e9"' in caught.value.hint
    given = {"config.n_params": "params_total:B"}
    row = import_runs(path, format="mlflow", columns=given).runs.rows()[0]
    assert (row["params_total"], row["tokens"]) == (1.3e9, 100 * 65536)


def test_a_given_name_may_belong_to_one_of_several_sources(tmp_path: Path) -> None:
    first = table(tmp_path, "Size,tokens,loss\n1e6,2e7,3.5\n")
    second = table(tmp_path, "params_total,tokens,loss\n2e6,2e7,3.4\n", "b.csv")
    runs = import_runs([first, second], columns={"Size": "params_total"}).runs
    assert runs.vector("N").tolist() == [1e6, 2e6]
    with pytest.raises(DataError, match="no source has 'Sise'"):
        import_runs([second, second], columns={"Sise": "params_total"})
