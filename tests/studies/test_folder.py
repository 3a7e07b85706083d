"""The folder of a study: whose it is, and one writer at a time."""

from __future__ import annotations

import json

import pytest

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError
from isoloss.runs import RunStore
from isoloss.studies import load_spec
from isoloss.studies.folder import StudyFolder, claimed, settle_spec

ROW = {"run_id": "a", "params_matmul": 10, "tokens": 100, "flops": 6000, "loss": 3.0}


def test_one_writer_at_a_time(tmp_path):
    with (
        claimed(tmp_path / "s"),
        pytest.raises(EnvironmentProblem, match="another process"),
        claimed(tmp_path / "s"),
    ):
        pass
    with claimed(tmp_path / "s") as folder:
        assert folder.root == tmp_path / "s"


def test_a_folder_is_made_with_those_above_it(tmp_path):
    with claimed(tmp_path / "a" / "b" / "c") as folder:
        assert folder.root.is_dir()


def test_foreign_things_are_named_and_left_alone(tmp_path):
    for name in "edcba":
        (tmp_path / name).touch()
    with pytest.raises(UsageError, match="a, b, c and 2 more"), claimed(tmp_path):
        pass
    assert not (tmp_path / ".lock").exists()


def test_what_cut_off_writes_left_is_removed(tmp_path):
    with claimed(tmp_path) as folder:
        settle_spec(folder, load_spec("laptop"))
        (folder.trunks / "x").mkdir(parents=True)
    left = [
        tmp_path / ".study.json.abcdefgh",
        tmp_path / "trunks" / "x" / ".1.safetensors.a_b1c2d3",
    ]
    kept = [tmp_path / ".lock", tmp_path / "spec.json", tmp_path / ".gitignore"]
    for path in [*left, kept[-1]]:
        path.touch()
    with claimed(tmp_path):
        pass
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)


def test_before_a_run_the_folder_takes_another_spec(tmp_path):
    spec = load_spec("laptop")
    with claimed(tmp_path) as folder:
        settle_spec(folder, spec)
        folder.plan.touch()
        folder.corpus.mkdir()
        settle_spec(folder, spec.with_choices(minutes=1))
        assert not folder.plan.exists()
        assert folder.corpus.exists()  # the corpus is the same
        settle_spec(folder, spec.with_choices(minutes=1, sources=["other.txt"]))
        assert not folder.corpus.exists()


def test_with_a_run_it_belongs_to_its_spec(tmp_path):
    spec = load_spec("laptop")
    with claimed(tmp_path) as folder:
        settle_spec(folder, spec)
        with RunStore.open(folder.store) as store:
            store.add_run(ROW)
        settle_spec(folder, spec)
        with pytest.raises(UsageError, match=r"minutes is 6.0 there, 1.0 now"):
            settle_spec(folder, spec.with_choices(minutes=1))
        assert json.loads(folder.spec.read_text()) == spec.model_dump()


def test_missing_and_damaged_files(tmp_path):
    folder = StudyFolder(tmp_path)
    with pytest.raises(NotFoundError, match=r"no plan.json"):
        folder.read_json(folder.plan)
    folder.plan.write_text("{}")
    with pytest.raises(DataError, match=r"plan.json: damaged \(KeyError: 'plan'\)"):
        folder.read_as(folder.plan, lambda document: document["plan"])
