"""`isoloss report` of a task's result, from texts that came in a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess


def test_texts_from_a_file_become_a_page(
    isoloss: Callable[..., CompletedProcess[str]], tmp_path: Path
) -> None:
    texts = [f"one two three four and the {name} sat on the mat" for name in ("cat", "dog")]
    rows = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    (tmp_path / "heldout.jsonl").write_text(rows, "utf-8")
    (tmp_path / "made.txt").write_text("<b> a b a b a b\nand so on\n", "utf-8")
    asked = ("--data", "heldout.jsonl", "--set", "prompt_words=4", "--predictions", "made.txt")
    done = isoloss(
        "evaluate", "--task", "generation", *asked, "-o", "made.json", "--json", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["n_examples"] == 2
    assert document["metrics"]["words"]["value"] == 6
    told = isoloss("report", "made.json", "--by", "longest_repeat", "--json", cwd=tmp_path)
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout)
    assert (found["paths"]["report"], found["samples"], found["by"]) == (
        "made.html",
        2,
        "longest_repeat",
    )
    page = (tmp_path / "made.html").read_text("utf-8")
    assert "&lt;b&gt; " in page
    assert "<b>" not in page
    wrong = isoloss("report", "made.json", "--by", "bleu", cwd=tmp_path)
    assert wrong.returncode == 2
    assert "no metric 'bleu' of single examples" in wrong.stderr
