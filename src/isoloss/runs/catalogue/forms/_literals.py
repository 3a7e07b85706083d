"""Tables that stand as literals in other people's Python: read as text, never run."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from typing import Any

from isoloss.errors import DataError
from isoloss.runs.catalogue.forms._text import Files, Row, only, unreadable


def addition(files: Files) -> list[Row]:
    """The arrays `x` and `y` of a script of BNSL: sizes of data sets, test cross-entropies."""
    (path,) = files
    found = assigned(only(files).decode("utf-8"), path)
    return [
        {
            "run_id": f"add4_{size}",
            "loss": loss,
            "dataset": "4-digit addition",
            "dataset_size_examples": size,
            "split": "fit" if index < 14 else "extrapolate",
        }
        for index, (size, loss) in enumerate(zip(found["x"], found["y"], strict=True))
    ]


def repeated_data(files: Files) -> list[Row]:
    """The first dictionary of runs of a notebook: names say parameters, tokens, unique tokens.

    As their notebook reads it: `4b284b12b` is 4.2e9 parameters, 84e9 tokens, 12e9 unique ones.
    Losses of 0 are runs that did not finish; runs with `seed`, `opt`, `dedup` or `c4` in their
    names are variants of another table.
    """
    (path,) = files
    cell = _first_cell(only(files), path, "NAMES_TO_VAL_LOSSES")
    found = assigned(cell, path)
    rows: list[Row] = []
    for name, loss in found["NAMES_TO_VAL_LOSSES"].items():
        if loss == 0 or re.search("seed|opt|dedup|perplexity|c4|v2", name):
            continue
        n, d, unique = _sizes(name, found["PARAMS_MAP"], found["TOKENS_MAP"])
        rows.append(
            {
                "run_id": name,
                "params": n,
                "tokens": d,
                "unique_tokens": unique,
                "flops": 6 * n * d,
                "loss": loss,
                "dataset": "C4",
                "epochs": d / unique,
            }
        )
    return rows


def _sizes(
    name: str, params: Mapping[str, float], tokens: Mapping[str, float]
) -> tuple[float, float, float]:
    """N, D and U that a name says; amounts of tokens are in billions there.

    U is the end of the name that has one unit in it, as their notebook cuts it off.
    """
    head = next((name[:i] for i in range(2, len(name)) if name[:i] in params), None)
    units = [letter in "bm" for letter in name[-2:]]
    tail = name[-3:] if units == [True, False] else name[-4:]
    while max(tail.count("b"), tail.count("m")) > 1:
        tail = tail[1:]
    middle = name[len(head or name) : -len(tail)]
    if head is None or not middle:
        raise DataError(f"run {name!r}: the name does not say parameters and tokens")
    return params[head], _tokens(middle, tokens), _tokens(tail, tokens)


def _tokens(text: str, known: Mapping[str, float]) -> float:
    return 1e9 * (known[text] if text in known else float(text.replace("b", ".").strip(".")))


def assigned(source: str, path: str) -> dict[str, Any]:
    """Literals assigned to names at the top of a script; `np.array(...)` is its argument.

    >>> assigned("x = np.array([1, 2])\\nimport os\\ny = {'a': 1e9}", "script.py")
    {'x': [1, 2], 'y': {'a': 1000000000.0}}
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise unreadable(path, error) from error
    found: dict[str, Any] = {}
    for line in tree.body:
        if isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name):
            value = line.value
            if isinstance(value, ast.Call) and value.args:
                value = value.args[0]
            try:
                found[line.targets[0].id] = ast.literal_eval(value)
            except (ValueError, TypeError):
                continue
    return found


def _first_cell(data: bytes, path: str, mark: str) -> str:
    """The first code cell of a notebook that holds `mark`."""
    try:
        cells = json.loads(data)["cells"]
    except (ValueError, KeyError, TypeError) as error:
        raise unreadable(path, error) from error
    texts = ("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    found = next((text for text in texts if mark in text), None)
    if found is None:
        raise DataError(f"{path}: no cell holds {mark}")
    return found
