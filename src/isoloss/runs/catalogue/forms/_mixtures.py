"""RegMix: mixture weights in one file, losses in another, joined by their index."""

from __future__ import annotations

from isoloss.runs.catalogue.forms._text import Files, Row, csv_rows

_SPLITS = {
    "train_1M": ("train", "1m", 1e6, 1e9),
    "test_1M": ("test", "1m", 1e6, 1e9),
    "test_60M": ("test", "60m", 6e7, 1e9),
    "test_1B": ("test", "1B", 1e9, 2.5e10),
}
"""Of each split: words of the file names, nominal parameters, training tokens."""


def mixtures(files: Files) -> list[Row]:
    """`w_*`: shares of 17 domains; `loss_*`: losses on 13; `loss` is that on Pile-CC."""
    rows: list[Row] = []
    for split, (part, size, params, tokens) in _SPLITS.items():
        weights, losses = (
            {row["index"]: row for row in csv_rows(data, path)}
            for kind in ("mixture", "pile_loss")
            for path, data in files.items()
            if path.endswith(f"{part}_{kind}_{size}.csv")
        )
        for index, given in weights.items():
            measured = {_loss(name): value for name, value in losses[index].items()}
            rows.append(
                {
                    "run_id": f"{split}_{index}",
                    "tokens": tokens,
                    "loss": measured["loss_pile_cc"],
                    "dataset": "The Pile (mixture w_*)",
                    **{_weight(name): value for name, value in given.items() if name != "index"},
                    **{name: value for name, value in measured.items() if name != "index"},
                    "split": split,
                    "params_nominal": params,
                }
            )
    return rows


def _weight(name: str) -> str:
    return name.replace("train_the_pile_", "w_")


def _loss(name: str) -> str:
    return name.replace("metric/the_pile_", "loss_").removesuffix("_val_loss")
