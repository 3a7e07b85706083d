"""The forms in which tables lie at their sources: each reader makes rows of dicts of files."""

from collections.abc import Callable

from isoloss.runs.catalogue.forms._evaluations import overtraining
from isoloss.runs.catalogue.forms._ladder import ladder
from isoloss.runs.catalogue.forms._literals import addition, repeated_data
from isoloss.runs.catalogue.forms._mixtures import mixtures
from isoloss.runs.catalogue.forms._plain import (
    chinchilla_figure,
    curve_points,
    gemstones,
    loss_curves,
    one_csv,
    routed,
    train_and_test,
)
from isoloss.runs.catalogue.forms._text import Files, Row

Reader = Callable[[Files], list[Row]]

READERS: dict[str, Reader] = {
    reader.__name__: reader
    for reader in (
        addition, chinchilla_figure, curve_points, gemstones, ladder, loss_curves, mixtures,
        one_csv, overtraining, repeated_data, routed, train_and_test,
    )
}  # fmt: skip
"""Readers by the name that the catalogue calls them."""

__all__ = ["READERS", "Files", "Reader", "Row"]
