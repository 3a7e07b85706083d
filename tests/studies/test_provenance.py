"""What a study says of the machine and the source that it was made with."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from isoloss.studies import provenance


def test_the_machine_is_told_in_texts() -> None:
    told = provenance.machine()
    assert {"isoloss", "git", "python", "torch", "numpy", "processor", "cores"} <= told.keys()
    assert all(isinstance(value, str) and value for value in told.values())


def test_a_change_in_any_room_marks_the_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout whose only change lies outside of `studies`."""
    package = tmp_path / "src" / "isoloss"
    for name in ("errors.py", "studies/spec.py", "studies/provenance.py", "models/decoder.py"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("1\n", "utf-8")
    monkeypatch.setattr(provenance, "__file__", str(package / "studies" / "provenance.py"))
    assert provenance._git_revision() == "not a git checkout"

    def git(*words: str) -> str:
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        return subprocess.run(
            ["git", "-C", str(tmp_path), *identity, *words],
            check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    git("init")
    git("add", ".")
    git("commit", "-m", "all")
    revision = git("rev-parse", "HEAD")
    assert provenance._git_revision() == revision
    (package / "models" / "decoder.py").write_text("2\n", "utf-8")
    assert provenance._git_revision() == f"{revision} with changes"
