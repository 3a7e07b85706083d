"""A page for a run table alone, without PyTorch and without a study."""

from __future__ import annotations

from pathlib import Path


def test_the_bundled_runs_get_a_page(python, tmp_path: Path) -> None:
    code = """
from isoloss.cli import main
sys.exit(main(["report", "example", "-o", "page.html"]))
"""
    done = python(code, blocked=("torch", "tokenizers", "safetensors"), timeout=300)
    assert done.returncode == 0, done.stderr
    assert "No prediction was registered." in done.stdout
    assert "28 runs" in done.stdout
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "skaling" in page
    assert page.count("<h1") == 1


def test_a_missing_table_is_not_found(capsys) -> None:
    from isoloss.cli import main

    assert main(["report", "nothing.csv"]) == 5
    assert "nothing.csv" in capsys.readouterr().err
