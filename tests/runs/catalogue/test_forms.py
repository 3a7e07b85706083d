"""Readers of the forms in which tables lie at their sources, on files made up after them."""

from __future__ import annotations

import gzip
import io
import json

import pandas as pd
import pytest

from isoloss.errors import DataError
from isoloss.runs.catalogue.forms import READERS
from isoloss.runs.catalogue.forms import _text as text
from isoloss.runs.catalogue.forms._literals import assigned


def read(reader: str, files: dict[str, bytes]) -> list[dict[str, object]]:
    return READERS[reader](files)


def test_points_of_a_figure() -> None:
    data = b"x,y,Model Size,Training FLOP,loss\n" + b"1,2,1e9,6e20,2.5\n" * 6
    rows = read("chinchilla_figure", {"a.csv": data})
    assert rows[0]["tokens"] == pytest.approx(1e11)
    assert rows[5]["run_id"] == "chin_005"
    assert [row["epoch_excluded_outlier"] for row in rows] == [True] * 5 + [False]


def test_the_last_evaluation_of_training_curves() -> None:
    head = "hyper_id,step,loss_validation,total_parameter_count,dense_parameter_count,num_experts"
    body = "1,0,10,9,3,8\n1,20,2.5,9,3,8\n1,10,3,9,3,8\n0,20,2.4,5,5,1\n"
    (first, second) = read("routed", {"c.csv.gz": gzip.compress(f"{head}\n{body}".encode())})
    assert (first["run_id"], second["run_id"]) == ("h0|s20", "h1|s20")
    assert second["loss"] == "2.5"
    assert second["tokens"] == 20 * 2**19
    assert (second["params"], second["active_params"], second["n_experts"]) == ("9", "3", "8")


def test_a_gzip_file_that_unpacks_to_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "MOST_UNPACKED", 100)
    with pytest.raises(DataError, match="unpacks to more than 100"):
        read("routed", {"c.csv.gz": gzip.compress(b"0" * 1000)})
    with pytest.raises(DataError, match="cannot be read"):
        read("routed", {"c.csv.gz": b"no gzip"})


def test_loss_curves_by_the_names_of_their_files() -> None:
    files = {
        "r/csv_25/cosine_24000.csv": b"step,lr,loss\n10,3e-4,4.0\n",
        "r/csv_100/wsdcon_3.csv": b"step,lr,loss\n10,3e-5,3.5\n",
    }
    first, second = read("loss_curves", files)
    assert first["run_id"] == "25M|cosine_24000|10"
    assert (first["params_nominal"], first["role"]) == (25e6, "train")
    assert (second["params_nominal"], second["role"]) == (1e8, "test")
    flat = b"run_id,step,loss\n25M|cosine_24000,10,4.0\n"
    assert read("curve_points", {"c.csv": flat})[0]["run_id"] == first["run_id"]


def test_views_of_runs() -> None:
    line = {"run_name": "m", "params_active_precise": 5, "tokens": 7, "final_loss": 3.0, "step": 2}
    files = {
        f"w/wandb_df_for_fitting_{view}.jsonl": (json.dumps(line) + "\n").encode()
        for view in ("hot", "cool_end")
    }
    rows = read("gemstones", files)
    assert [row["run_id"] for row in rows] == ["m|hot|2", "m|cool_end|2"]
    assert rows[1]["params"] == 5
    with pytest.raises(DataError, match=r"a\.jsonl: cannot be read"):
        read("gemstones", {"a.jsonl": b"{"})


def test_mixtures_are_joined_by_index() -> None:
    files = {}
    for part, size in (("train", "1m"), ("test", "1m"), ("test", "60m"), ("test", "1B")):
        files[f"d/{part}_mixture_{size}.csv"] = b"index,train_the_pile_arxiv\n2,.4\n1,.3\n"
        files[f"d/{part}_pile_loss_{size}.csv"] = (
            b"index,metric/the_pile_pile_cc_val_loss\n1,5.1\n2,5.2\n"
        )
    rows = read("mixtures", files)
    assert len(rows) == 8
    assert rows[0]["run_id"] == "train_1M_2"
    assert (rows[0]["w_arxiv"], rows[0]["loss"], rows[0]["loss_pile_cc"]) == (".4", "5.2", "5.2")
    assert rows[-1]["tokens"] == 2.5e10


def test_literals_of_a_script_are_read_and_not_run() -> None:
    sizes, losses = list(range(1, 18)), [2.0 - i / 10 for i in range(17)]
    script = f"import numpy as np\nboom = 1 / 0\nx = np.array({sizes})\ny = np.array({losses})\n"
    rows = read("addition", {"s.py": script.encode()})
    assert [row["split"] for row in rows] == ["fit"] * 14 + ["extrapolate"] * 3
    assert rows[2] == {
        "run_id": "add4_3", "loss": 1.8, "dataset": "4-digit addition",
        "dataset_size_examples": 3, "split": "fit",
    }  # fmt: skip
    assert assigned("a = open('x')\nb = -1.5", "s.py") == {"a": "x", "b": -1.5}
    with pytest.raises(DataError, match=r"s\.py: cannot be read"):
        assigned("a = (", "s.py")


RUNS = {
    "2b84b4b": (2.81e9, 4e9, 4e9),
    "4b284b12b": (4.2465e9, 84e9, 12e9),
    "2b855b1b25": (2.81e9, 55e9, 1.25e9),
    "14m7b5100m": (1.41e7, 7.5e9, 1e8),
    "83m1b51b5": (8.27e7, 1.5e9, 1.5e9),
    "8b7178b178b": (8.67e9, 178e9, 178e9),
}
"""Names of runs, with the sizes that the paper's own reading of them gives (arXiv:2305.16264)."""


def notebook(names: dict[str, float]) -> bytes:
    code = (
        f"NAMES_TO_VAL_LOSSES = {names!r}\n"
        "TOKENS_MAP = {'100m': 0.1, '1b25': 1.25, '1b5': 1.5, '7b5': 7.5, '4b': 4, '178b': 178}\n"
        "PARAMS_MAP = {'2b8': 2.81e9, '4b2': 4.2465e9, '14m': 1.41e7, '83m': 8.27e7,"
        " '8b7': 8.67e9}\n"
    )
    cells = [{"cell_type": "markdown", "source": ["NAMES_TO_VAL_LOSSES"]}]
    return json.dumps({"cells": [*cells, {"cell_type": "code", "source": [code]}]}).encode()


def test_sizes_are_read_off_the_names_of_runs() -> None:
    names = dict.fromkeys(RUNS, 2.5) | {"2b855b11bc4seed1": 2.6, "2b88b4b": 0}
    rows = read("repeated_data", {"n.ipynb": notebook(names)})
    assert {
        row["run_id"]: (row["params"], row["tokens"], row["unique_tokens"]) for row in rows
    } == {name: pytest.approx(sizes) for name, sizes in RUNS.items()}
    with pytest.raises(DataError, match="'zz9b1b': the name does not say"):
        read("repeated_data", {"n.ipynb": notebook({"zz9b1b": 3.0})})
    with pytest.raises(DataError, match="no cell holds"):
        read("repeated_data", {"n.ipynb": b'{"cells": []}'})


def test_losses_and_accuracies_of_a_model_are_joined() -> None:
    tasks = [
        "bigbench_operators", "pubmed_qa_labeled", "hellaswag_zeroshot", "boolq", "arc_easy",
        "coqa", "bigbench_dyck_languages", "lambada_openai", "bigbench_novel_concepts",
        "winograd", "bigbench_cs_algorithms", "commonsense_qa", "bigbench_qa_wikidata",
        "hellaswag", "copa", "squad", "piqa",
    ]  # fmt: skip
    places = {"c4_val/s.tar": 3.0, "val_tok_mult/de-en/val_de-en_100.tar": 7.0}
    model = {
        "dataset_name": "rpj",
        "hyperparameters": {
            "model": "x/d=96_l=8_h=4.json", "params": 10, "params_no_embed": 6, "tokens": 200,
            "lr": 3e-3, "wd": 0.03, "warmup": 100, "chinchilla_multiplier": 1.0,
        },
        "results": [
            {
                "val_data": [f"eval_data/{place}"], "loss": loss,
                "loss_sequences_lower_95": loss - 0.1, "loss_sequences_upper_95": loss + 0.1,
            }
            for place, loss in places.items()
        ],
    }  # fmt: skip
    scores = {"eval_metrics": {"icl": dict.fromkeys(tasks, 0.25) | {"mmlu": 0.5}}}
    files = {
        "models/rpj-small.json": json.dumps(model).encode(),
        "evals/evaluation_rpj-small_heavy.json": json.dumps(scores).encode(),
    }
    (row,) = read("overtraining", files)
    assert (row["run_id"], row["flops"], row["d_model"], row["n_layer"]) == (
        "rpj-small", 12000.0, 96, 8,
    )  # fmt: skip
    assert (row["loss"], row["loss_c4_val_lo95"], row["loss_val_de-en_100"]) == (3.0, 2.9, 7.0)
    assert row["token_multiplier"] == 20
    assert row["err_avg17"] == pytest.approx(0.75)
    assert row["err_avg46"] == pytest.approx((17 * 0.75 + 0.5) / 18)


def test_the_last_line_of_a_run_of_the_ladder() -> None:
    c4 = "eval/c4_en-validation/CrossEntropyLoss"
    head = (
        f"_step,{c4},eval/downstream_bpb/piqa_rc_bpb,eval/downstream/piqa_acc,batch_size_in_tokens"
    )
    lines = [f"{10 * i},{5 - i},{2 - i / 10},.5,100" for i in range(7)]
    data = "\n".join([head, *lines[:4], "35,,1,.5,100", *lines[4:]]).encode()
    (row,) = read("ladder", {"d/190M-2xC.csv": data})
    assert (row["run_id"], row["model"], row["role"]) == ("190M-2xC", "190M", "paper_fit")
    assert row["tokens"] == 6000
    assert row["params_non_embedding"] == 190354176
    assert row["flops"] == pytest.approx(1903391232 * 6000)
    assert float(str(row["loss"])) == -1
    assert row["loss_ma5"] == pytest.approx((3 + 2 + 1 + 0 - 1) / 5)
    assert row["ce_c4_en"] == row["loss"]
    assert (row["bpb_piqa_rc"], row["acc_piqa_acc"]) == ("1.4", ".5")


def test_train_and_test_parts_of_parquet() -> None:
    def packed(**columns: list[float]) -> bytes:
        file = io.BytesIO()
        pd.DataFrame(columns).to_parquet(file)
        return file.getvalue()

    files = {
        "d/train-00000-of-1.parquet": packed(loss=[3.0, 2.5]),
        "d/test.parquet": packed(loss=[2.0]),
    }
    rows = read("train_and_test", files)
    assert [(row["split"], row["loss"]) for row in rows] == [
        ("train", 3.0), ("train", 2.5), ("test", 2.0),
    ]  # fmt: skip
    with pytest.raises(DataError, match="cannot be read"):
        read("train_and_test", {"a.parquet": b"no"})
