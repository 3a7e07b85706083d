"""From a name to runs: local copies, reasons, parts, provenance, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

import isoloss as il
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError
from isoloss.runs.catalogue import (
    PublishedTable,
    published,
    published_table,
    published_tables,
)

COMMIT = "0123456789abcdef0123456789abcdef01234567"
CSV = b"size,tokens,loss,kind\n1e6,2e7,3.5,good\n2e6,4e7,3.2,good\n4e6,8e7,9.9,odd\n"
"""Of the entry that `making` makes."""


@pytest.fixture
def table(making, catalogue) -> PublishedTable:
    """The only entry of the catalogue, with a file at its source and a copy."""
    entry = making.table(("source", "data/runs.csv", CSV), ("copy", "made_up/flat.csv", CSV))
    catalogue(entry)
    return entry


def copied(folder: Path, data: bytes = CSV, path: str = "made_up/flat.csv") -> Path:
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(data)
    return folder


def test_a_local_copy_comes_before_cache_and_network(table, home, monkeypatch) -> None:
    monkeypatch.setenv("ISOLOSS_PUBLISHED_DIR", str(copied(home / "copies")))
    runs = published("made_up")
    assert runs.vector("N").tolist() == [1e6, 2e6]
    frame = runs.to_frame()
    assert frame["reason"].tolist() == ["", "", "odd"]
    assert frame["source_row"].tolist() == [1, 2, 3]
    where = f"someone/some runs@{COMMIT[:12]}, by the copy made_up/flat.csv"
    assert set(frame["source"]) == {where}
    assert set(frame["loss_unit"]) == {"nats_per_token"}


def test_the_files_of_the_repository_may_lie_there_too(table, home) -> None:
    folder = copied(home / "copies", path="made_up/data/runs.csv")
    runs = published("published:made_up", directory=folder)
    assert set(runs.to_frame()["source"]) == {f"someone/some runs@{COMMIT[:12]} data/runs.csv"}


def test_a_copy_with_another_sum_is_refused(table, home) -> None:
    folder = copied(home / "copies", CSV + b"8e6,1e8,2.9,good\n")
    with pytest.raises(DataError, match=table.source.files[0].sha256) as caught:
        published("made_up", directory=folder)
    assert "flat.csv" in caught.value.message


def test_a_folder_without_the_table_is_said(table, home, site, monkeypatch) -> None:
    with pytest.raises(NotFoundError, match="no copy of made_up") as caught:
        published("made_up", directory=home)
    assert "made_up/flat.csv" in caught.value.hint
    assert not site.asked, "a folder that was named is not passed over"
    # The folder of the environment may hold some tables only: this one is fetched.
    monkeypatch.setenv("ISOLOSS_PUBLISHED_DIR", str(home))
    with pytest.raises(EnvironmentProblem, match="404"):
        published("made_up")


def test_half_a_copy_is_no_copy(making, table, catalogue, home) -> None:
    catalogue(
        making.table(("source", "a.csv", CSV), ("source", "b.csv", CSV), ("copy", "x.csv", CSV))
    )
    folder = copied(home / "copies", path="made_up/a.csv")
    with pytest.raises(DataError, match=r"2 files of made_up, 1 are missing, such as .*b\.csv"):
        published("made_up", directory=folder)


def test_a_column_of_the_mapping_that_is_not_there(making, table, catalogue, home) -> None:
    text = making.text.replace('size = "params_total"', 'sizes = "params_total"')
    catalogue(making.table(("copy", "flat.csv", CSV), text=text))
    with pytest.raises(DataError, match="no column 'sizes' to map to 'params_total'") as caught:
        published("made_up", directory=copied(home, path="flat.csv"))
    assert "Did you mean 'size'" in caught.value.hint


def test_parts_of_a_table(making, table, catalogue, home) -> None:
    text = making.text.split("[[left_out]]")[0] + 'part = { column = "kind", default = "good" }\n'
    catalogue(making.table(("copy", "flat.csv", CSV), text=text))
    copied(home, path="flat.csv")

    def used(name: str) -> list[float]:
        return published(name, directory=home).vector("L").tolist()

    assert used("made_up") == [3.5, 3.2]
    assert used("made_up/odd") == [9.9]
    assert used("made_up/all") == [3.5, 3.2, 9.9]
    reasons = set(published("made_up", directory=home).to_frame()["reason"])
    assert reasons == {"", "of another part: published:made_up/odd"}
    with pytest.raises(NotFoundError, match="has no part 'god'") as caught:
        published("made_up/god", directory=home)
    assert "Did you mean published:made_up/good?" in caught.value.hint


def test_a_table_without_parts_has_none(table, home) -> None:
    with pytest.raises(NotFoundError, match="has no parts"):
        published("made_up/x", directory=copied(home))


def test_misspelt_names_get_close_matches() -> None:
    with pytest.raises(NotFoundError, match="no public run table named 'chinchila'") as caught:
        published("chinchila")
    assert "Did you mean published:chinchilla_epoch" in caught.value.hint
    assert published_table("Porian-Kaplan-Chinchilla").name == "porian_kaplan_chinchilla"


def test_pickles_are_not_opened() -> None:
    with pytest.raises(EnvironmentProblem, match="pickled Python objects") as caught:
        published("porian_kaplan_chinchilla")
    assert "ISOLOSS_PUBLISHED_DIR" in caught.value.hint


USED = {
    "bnsl_addition": 0,
    "chinchilla_epoch": 240,
    "datablations": 181,
    "gadre_overtraining": 35,
    "gemstones": 199,
    "lr_anneal_mpl": 0,
    "olmo_ladder": 16,
    "porian_kaplan_chinchilla": 121,
    "regmix": 512,
    "routed_moe_clark": 58,
    "scalebench_data_constrained": 182,
    "scalebench_moe": 221,
    "scalebench_parallel": 24,
    "scalebench_vocab": 0,
}
"""Rows that a fit uses of each table of which a copy lies here."""


@pytest.mark.parametrize("name", USED)
def test_the_copies_here_are_those_of_the_catalogue(shared_data: Path, name: str) -> None:
    table = published_table(name)
    runs = published(name, directory=shared_data / "runs")
    assert table.copy is not None
    assert len(runs) == table.copy.n_rows
    assert len(runs.used()) == USED[name]
    if name != "scalebench_vocab":
        assert set(runs.to_frame()["loss_unit"]) == {"nats_per_token"}


def test_every_table_with_a_copy_is_tried(table) -> None:
    assert {table.name for table in published_tables() if table.copy} == set(USED)


def test_public_names(shared_data: Path) -> None:
    assert "chinchilla_epoch" in {table.name for table in il.published_tables()}
    runs = il.published("chinchilla_epoch", directory=shared_data / "runs")
    assert set(runs.to_frame()["flops_convention"]) == {"6nd_total"}
    rejected = runs.to_frame().query("reason != ''")
    assert rejected["run_id"].tolist() == [f"chin_{i:03d}" for i in range(5)]
