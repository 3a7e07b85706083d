"""The catalogue itself: every entry is complete and consistent."""

from __future__ import annotations

import csv
import re
from importlib import resources
from pathlib import Path

import pytest

from isoloss.fitting.reproducing.reproduction import METHODS
from isoloss.runs.catalogue import PublishedTable, published_tables
from isoloss.runs.catalogue._page import page_of_tables
from isoloss.runs.catalogue._text import tables_text
from isoloss.runs.catalogue.forms import READERS
from isoloss.runs.columns import COLUMNS

TABLES = {table.name: table for table in published_tables()}


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_entries_are_complete(table: PublishedTable) -> None:
    assert re.fullmatch(r"[0-9a-f]{40}", table.commit)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", table.repository)
    assert "arXiv:" in table.paper
    assert table.licence
    assert table.caveats
    for form in (table.source, *([table.copy] if table.copy else [])):
        assert form.files
        assert form.reader in READERS or (not form.reader and not table.verified)
        for file in form.files:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.size > 0
            assert not file.path.startswith(("/", "."))
            assert ".." not in file.path.split("/")
    ours = [*table.columns.values(), *table.constants]
    assert all(re.fullmatch(r"params_\w+|meta_\w+|metric_\w+", n) or n in COLUMNS for n in ours)
    assert bool(table.part) == bool(table.part_column)


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_published_fits_are_complete(table: PublishedTable) -> None:
    names = [fit.name for fit in table.fits]
    assert len(names) == len(set(names))
    for fit in table.fits:
        assert fit.method in METHODS
        assert any({"atol", "rtol"} & set(figure) for figure in fit.figures.values())
        for figure in fit.figures.values():
            assert set(figure) <= {"value", "atol", "rtol", "at_most"}


def test_every_file_belongs_to_an_entry() -> None:
    text = resources.files("isoloss.runs.catalogue").joinpath("files.csv").read_text("utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    assert {row["table"] for row in rows} <= set(TABLES)
    keys = [(row["table"], row["form"], row["path"]) for row in rows]
    assert len(keys) == len(set(keys))


def test_texts_fit_80_columns() -> None:
    for table in TABLES.values():
        text = table.summary()
        assert max(map(len, text.splitlines())) <= 80
        assert table.licence.split()[0] in text
        assert repr(table).startswith(f"PublishedTable({table.name}: ")
        assert table.to_dict()["rows"] == table.n_rows
    listed = tables_text(list(TABLES.values()), ["cache"] * len(TABLES))
    assert max(map(len, listed.splitlines())) <= 100
    assert len(listed.splitlines()) == len(TABLES) + 1


def test_an_unverified_source_says_so() -> None:
    (table,) = (table for table in TABLES.values() if not table.verified)
    assert table.name == "porian_kaplan_chinchilla"
    assert "not verified" in table.summary()


def test_the_page_of_the_documentation_is_what_the_catalogue_says() -> None:
    page = Path(__file__).parents[3] / "docs" / "published.md"
    text = page.read_text("utf-8")
    assert text.startswith(page_of_tables()), "python -m isoloss.runs.catalogue._page"
