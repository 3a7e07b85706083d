"""`import isoloss` and every `--help` load nothing heavy."""

from __future__ import annotations

import pytest

from isoloss.cli._catalogue import command_names

HEAVY = (
    "numpy", "scipy", "pandas", "pyarrow", "torch", "sympy", "sqlalchemy", "pydantic",
    "altair", "vl_convert", "tokenizers", "rich.table", "rich.markdown", "rich.syntax",
)  # fmt: skip

ASK = """
from isoloss.cli import main
assert main({words!r}) == 0
loaded = sorted(set({heavy!r}) & set(sys.modules))
assert not loaded, loaded
"""


@pytest.mark.parametrize(
    "words",
    [["--help"], ["--version"], *([name, "--help"] for name in command_names())],
    ids=lambda words: words[0],
)
def test_help_loads_nothing_heavy(python, words: list[str]) -> None:
    done = python(ASK.format(words=words, heavy=HEAVY))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("words", [["runs", "show", "--help"], ["runs", "import", "--help"]])
def test_help_of_a_subcommand_loads_nothing_heavy(python, words: list[str]) -> None:
    # Typer itself loads pydantic to check the words of a command inside a group.
    heavy = tuple(name for name in HEAVY if name != "pydantic")
    done = python(ASK.format(words=words, heavy=heavy))
    assert done.returncode == 0, done.stderr


def test_top_level_help_does_not_even_load_typer(python) -> None:
    done = python(ASK.format(words=["--help"], heavy=("typer", "click", "rich")))
    assert done.returncode == 0, done.stderr


def test_import_isoloss_loads_nothing_heavy(python) -> None:
    done = python(f"import isoloss\nassert not set({HEAVY!r}) & set(sys.modules)")
    assert done.returncode == 0, done.stderr


def test_every_public_name_can_be_had_without_pytorch(python) -> None:
    code = """
import isoloss
for name in isoloss.__all__:
    assert getattr(isoloss, name) is not None, name
assert set(isoloss.__all__) <= set(dir(isoloss))
assert "torch" not in [name for name, module in sys.modules.items() if module is not None]
"""
    done = python(code, blocked=("torch", "tokenizers", "safetensors"))
    assert done.returncode == 0, done.stderr


def test_public_names_are_those_that_can_be_loaded() -> None:
    import isoloss

    assert set(isoloss.__all__) == {*isoloss._HOME, "__version__"}


def test_an_unknown_name_is_an_attribute_error() -> None:
    import isoloss

    with pytest.raises(AttributeError, match="no attribute 'fits'"):
        _ = isoloss.fits


@pytest.mark.parametrize("name", command_names())
def test_every_command_of_the_catalogue_exists_and_has_json(name: str, capsys) -> None:
    from isoloss.cli import main

    inside = {"runs": "show", "model": "count", "corpus": "report"}  # groups of commands
    words = [name, *([inside[name]] if name in inside else []), "--help"]
    assert main(words) == 0
    assert "--json" in capsys.readouterr().out
