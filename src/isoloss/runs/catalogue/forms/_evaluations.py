"""Gadre et al. 2024: one JSON file a model with its losses, another with its accuracies."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

from isoloss.runs.catalogue.forms._text import Files, Row, unreadable

TASKS_17 = (
    "bigbench_operators", "pubmed_qa_labeled", "hellaswag_zeroshot", "boolq", "arc_easy", "coqa",
    "bigbench_dyck_languages", "lambada_openai", "bigbench_novel_concepts", "winograd",
    "bigbench_cs_algorithms", "commonsense_qa", "bigbench_qa_wikidata", "hellaswag", "copa",
    "squad", "piqa",
)  # fmt: skip
"""The tasks on which the paper's error is better than chance early; the others make 46."""


def overtraining(files: Files) -> list[Row]:
    """One row a model: N, D, losses with 95% intervals over sequences, accuracies, mean errors."""
    documents = {PurePosixPath(path).stem: _document(data, path) for path, data in files.items()}
    return [
        _row(name, model, documents[f"evaluation_{name}_heavy"]["eval_metrics"]["icl"])
        for name, model in documents.items()
        if not name.startswith("evaluation_")
    ]


_NAMED_SHAPES = {"open_lm_1b": (2048, 24), "open_lm_7b": (4096, 32)}
"""Width and depth of the models whose names do not say them."""


def _row(name: str, model: dict[str, Any], accuracies: dict[str, float]) -> Row:
    given = model["hyperparameters"]
    n, d = given["params"], given["tokens"]
    width, depth = _shape(PurePosixPath(given["model"]).stem)
    losses = {_corpus(part["val_data"][0]): part for part in model["results"]}
    errors = {task: 1 - value for task, value in accuracies.items()}
    return {
        "run_id": name,
        "params": n,
        "params_non_embedding": given["params_no_embed"],
        "tokens": d,
        "flops": 6.0 * n * d,
        "loss": losses["c4_val"]["loss"],
        "dataset": model["dataset_name"],
        "d_model": width,
        "n_layer": depth,
        "learning_rate": given["lr"],
        "weight_decay": given["wd"],
        "warmup_steps": given["warmup"],
        "token_multiplier": 20 * given["chinchilla_multiplier"],
        **{f"loss_{corpus}": part["loss"] for corpus, part in losses.items()},
        "loss_c4_val_lo95": losses["c4_val"]["loss_sequences_lower_95"],
        "loss_c4_val_hi95": losses["c4_val"]["loss_sequences_upper_95"],
        **{f"acc_{task}": value for task, value in accuracies.items()},
        "err_avg17": sum(errors[task] for task in TASKS_17) / len(TASKS_17),
        "err_avg46": sum(errors.values()) / len(errors),
    }


def _shape(model: str) -> tuple[int, int]:
    """Width and depth of `d=96_l=8_h=4`."""
    if model in _NAMED_SHAPES:
        return _NAMED_SHAPES[model]
    width, depth, _ = (int(part.split("=")[1]) for part in model.split("_"))
    return width, depth


def _corpus(path: str) -> str:
    """Name of a validation set: its folder, or its file where the folder is German and English."""
    place = PurePosixPath(path)
    return place.stem if place.parent.name == "de-en" else place.parent.name


def _document(data: bytes, path: str) -> dict[str, Any]:
    try:
        return json.loads(data)
    except ValueError as error:
        raise unreadable(path, error) from error
