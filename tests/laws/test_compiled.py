"""The NumPy code of the library is what its formulas say."""

from __future__ import annotations

from pathlib import Path

import pytest

from isoloss.laws import _compiled, get_law, law_names
from isoloss.laws._compiling import compiled_text
from isoloss.laws._page import page_of_laws

HOME = Path(_compiled.__file__).parent


@pytest.mark.parametrize("name", law_names())
def test_every_module_is_what_make_laws_writes(name: str) -> None:
    assert (HOME / f"{name}.py").read_text("utf-8") == compiled_text(get_law(name)), (
        "a formula was changed: run `make laws`"
    )


def test_no_module_is_left_over() -> None:
    assert {path.stem for path in HOME.glob("*.py")} == {*law_names(), "__init__"}


def test_the_page_of_the_documentation_is_what_make_laws_writes() -> None:
    page = Path(__file__).resolve().parents[2] / "docs" / "laws.md"
    assert page.read_text("utf-8") == page_of_laws(), "a law was changed: run `make laws`"
