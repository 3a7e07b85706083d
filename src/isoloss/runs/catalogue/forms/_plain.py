"""Readers of sources that are tables already: one file, or several that belong together."""

from __future__ import annotations

from pathlib import PurePosixPath

from isoloss.runs.catalogue.forms._text import (
    Files,
    Row,
    csv_rows,
    json_rows,
    only,
    parquet_rows,
    unpacked,
)


def one_csv(files: Files) -> list[Row]:
    """The rows of one CSV file as they are."""
    (path,) = files
    return csv_rows(only(files), path)


def train_and_test(files: Files) -> list[Row]:
    """Parquet files one after the other; `split` is the first word of the file's name."""
    rows: list[Row] = []
    for path, data in files.items():
        split = PurePosixPath(path).stem.partition("-")[0]
        rows += [
            {"run_id": f"{split}_{index}", "split": split, **row}
            for index, row in enumerate(parquet_rows(data, path))
        ]
    return rows


def chinchilla_figure(files: Files) -> list[Row]:
    """Epoch's reading of figure 4 of Hoffmann et al.: D = C/6N, rows numbered.

    The first five rows are those that their notebook leaves out.
    """
    (path,) = files
    return [
        {
            "run_id": f"chin_{index:03d}",
            "params": (n := float(row["Model Size"])),
            "flops": (c := float(row["Training FLOP"])),
            "tokens": c / (6 * n),
            "loss": row["loss"],
            "dataset": "MassiveText",
            "epoch_excluded_outlier": index < 5,
        }
        for index, row in enumerate(csv_rows(only(files), path))
    ]


_GEMSTONES = {
    "params_active_precise": "params",
    "final_loss": "loss",
    "width": "d_model",
    "depth": "n_layer",
    "run_name": "model",
}


def gemstones(files: Files) -> list[Row]:
    """JSON lines, one file a view of the same runs: `wandb_df_for_fitting_VIEW.jsonl`."""
    rows: list[Row] = []
    for path, data in files.items():
        view = PurePosixPath(path).stem.removeprefix("wandb_df_for_fitting_")
        for given in json_rows(data, path):
            row = {_GEMSTONES.get(name, name): value for name, value in given.items()}
            run_id = f"{row['model']}|{view}|{row['step']}"
            rows.append({"run_id": run_id, **row, "view": view, "dataset": "Dolma 1.7 subset"})
    return rows


_ROUTED = {
    "loss_validation": "loss",
    "total_parameter_count": "params",
    "dense_parameter_count": "active_params",
    "num_experts": "n_experts",
    "num_blocks": "n_layer",
    "num_heads": "n_head",
}
TOKENS_A_STEP = 2**19
"""Of Clark et al. 2022: 256 sequences of 2048 tokens."""


def routed(files: Files) -> list[Row]:
    """The last evaluation of every model of a table of training curves (CSV, gzip)."""
    (path,) = files
    last: dict[str, Row] = {}
    for row in csv_rows(unpacked(only(files), path), path):
        before = last.get(row["hyper_id"])
        if before is None or int(row["step"]) > int(before["step"]):
            last[row["hyper_id"]] = row
    return [
        {
            "run_id": f"h{row['hyper_id']}|s{row['step']}",
            **{_ROUTED.get(name, name): value for name, value in row.items()},
            "tokens": int(row["step"]) * TOKENS_A_STEP,
            "dataset": "MassiveText",
        }
        for row in sorted(last.values(), key=lambda row: int(row["hyper_id"]))
    ]


_FITTED = ("cosine_24000", "constant_24000", "wsdcon_9")


def loss_curves(files: Files) -> list[Row]:
    """The points of loss curves, one file a curve: `csv_SIZE/SCHEDULE.csv`, SIZE in millions."""
    rows: list[Row] = []
    for path, data in files.items():
        place = PurePosixPath(path)
        millions, schedule = place.parent.name.removeprefix("csv_"), place.stem
        rows += [
            {
                "run_id": f"{millions}M|{schedule}|{row['step']}",
                "loss": row["loss"],
                "dataset": "FineWeb",
                "params_nominal": float(millions) * 1e6,
                "step": row["step"],
                "learning_rate": row["lr"],
                "schedule": schedule,
                "role": "train" if schedule in _FITTED else "test",
            }
            for row in csv_rows(data, path)
        ]
    return rows


def curve_points(files: Files) -> list[Row]:
    """A flat copy of `loss_curves`, whose run_id names the curve: the step makes it the point's."""
    return [{**row, "run_id": f"{row['run_id']}|{row['step']}"} for row in one_csv(files)]
