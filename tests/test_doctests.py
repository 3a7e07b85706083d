"""The examples in docstrings: what they show is what comes out."""

from __future__ import annotations

import doctest
import importlib
import pkgutil
from collections.abc import Iterator

import pytest

import isoloss

# Programs, not modules: they run when they are imported.
SCRIPTS = {"isoloss.__main__", "isoloss.cli.__main__"}


def modules(room: str) -> Iterator[str]:
    yield f"isoloss.{room}"
    found = importlib.import_module(f"isoloss.{room}")
    if hasattr(found, "__path__"):
        for module in pkgutil.walk_packages(found.__path__, f"isoloss.{room}."):
            yield module.name


@pytest.mark.parametrize("room", sorted(m.name for m in pkgutil.iter_modules(isoloss.__path__)))
def test_examples_show_what_comes_out(room: str) -> None:
    for name in modules(room):
        if name in SCRIPTS or "_inside" in name or "_checks" in name:
            continue
        outcome = doctest.testmod(importlib.import_module(name))
        assert outcome.failed == 0, name
