"""A folder is written whole or not at all, and never over what others put there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from isoloss.errors import EnvironmentProblem, UsageError
from isoloss.planning.export import folder as folder_module
from isoloss.planning.export.folder import MARK, write_folder


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_new_empty_and_own_folders(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "out"
    write_folder(target, {"a.txt": "1", "run.sh": "#!/bin/sh\n"})
    assert names(target) == {"a.txt", "run.sh", MARK}
    assert os.access(target / "run.sh", os.X_OK)
    assert not os.access(target / "a.txt", os.X_OK)
    write_folder(target, {"b.txt": "2"})
    assert names(target) == {"b.txt", MARK}
    (tmp_path / "empty").mkdir()
    write_folder(tmp_path / "empty", {"a.txt": "1"})
    assert names(tmp_path) == {"deep", "empty"}
    assert names(tmp_path / "deep") == {"out"}


def test_foreign_folders_are_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "thesis.tex").write_text("x")
    with pytest.raises(UsageError, match=r"holds 'thesis\.tex'"):
        write_folder(tmp_path / "theirs", {"a.txt": "1"})
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="is no folder"):
        write_folder(tmp_path / "file", {"a.txt": "1"})
    (tmp_path / "link").symlink_to(tmp_path / "theirs")
    with pytest.raises(UsageError, match="is no folder"):
        write_folder(tmp_path / "link", {"a.txt": "1"})
    assert names(tmp_path / "theirs") == {"thesis.tex"}


def test_checkpoints_in_a_folder_of_ours_are_never_thrown_away(tmp_path: Path) -> None:
    write_folder(tmp_path / "out", {"a.txt": "1"})
    (tmp_path / "out" / "checkpoints").mkdir()
    with pytest.raises(UsageError, match="checkpoints"):
        write_folder(tmp_path / "out", {"a.txt": "2"})
    assert (tmp_path / "out" / "a.txt").read_text() == "1"


@pytest.mark.parametrize("which", [0, 1])
def test_a_failed_write_changes_nothing(
    which: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "out"
    write_folder(target, {"a.txt": "1"})
    calls = iter(range(10))
    real = os.replace

    def failing(source: Path, to: Path) -> None:
        if next(calls) == which:
            raise OSError(28, "No space left on device")
        real(source, to)

    monkeypatch.setattr(folder_module.os, "replace", failing)
    with pytest.raises(EnvironmentProblem, match="No space left"):
        write_folder(target, {"a.txt": "2"})
    assert (target / "a.txt").read_text() == "1"
    assert names(tmp_path) == {"out"}


def test_a_parent_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(EnvironmentProblem, match="cannot write"):
        write_folder(tmp_path / "file" / "out", {"a.txt": "1"})
