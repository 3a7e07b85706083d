"""One JSON document on stdout, whatever else is printed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.cli import main
from isoloss.cli._answer import json_document, plain
from isoloss.cli._options import columns, pairs, quantity


def test_plain_unwraps_numpy_and_turns_not_a_number_into_null() -> None:
    document = {
        "a": np.float64(1.5), "b": np.int64(3), "c": np.array([1.0, math.nan]), "d": math.inf,
        "e": (np.bool_(True), None), "f": {1: Path("x")},
    }  # fmt: skip
    assert plain(document) == {
        "a": 1.5, "b": 3, "c": [1.0, None], "d": None, "e": [True, None], "f": {"1": "x"},
    }  # fmt: skip


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_every_document_is_strict_ascii_json(value: object) -> None:
    text = json_document({"value": value})

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    document = json.loads(text, parse_constant=refuse)
    assert text.isascii()
    assert document["schema_version"] == 1
    assert document["value"] == plain(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [("70B", 70e9), ("1.4T", 1.4e12), ("3k", 3e3), ("2M", 2e6), ("1e15", 1e15), ("1_000", 1e3)],
)
def test_quantities(text: str, value: float) -> None:
    assert quantity(text) == pytest.approx(value, rel=1e-15)


def test_map_turns_ours_into_theirs() -> None:
    assert columns(["tokens=D = all", "loss=Final Loss"]) == {
        "D = all": "tokens",
        "Final Loss": "loss",
    }
    assert columns(None) is None
    assert pairs(["lr=0.1"], "--at") == {"lr": "0.1"}


def test_version_and_help_as_json(capsys) -> None:
    import isoloss

    assert main(["--version", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["version"] == isoloss.__version__
    assert main(["fit", "--help", "--json"]) == 0
    assert "--bootstrap" in json.loads(capsys.readouterr().out)["help"]


def test_output_of_subprocesses_does_not_reach_stdout_with_json() -> None:
    """Printing, writing to descriptor 1 and a child that does so all land on stderr."""
    code = """
import os, subprocess, sys
from isoloss.cli._answer import reserved_stdout, write
with reserved_stdout(True) as stream:
    print("printed")
    os.write(1, b"low level\\n")
    subprocess.run([sys.executable, "-c", "print('child')"], check=True)
    write(stream, "answer")
print("after")
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "answer\nafter\n"
    assert sorted(done.stderr.split("\n")) == ["", "child", "low level", "printed"]


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m isoloss --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "0"
    assert done.stderr == ""


def test_a_terminal_without_unicode_gets_every_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "isoloss", "--help"],
        capture_output=True,
        env={"PYTHONIOENCODING": "ascii", "PATH": ""},
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"130 interrupted" in done.stdout
