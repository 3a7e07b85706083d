"""The names of other trainers: the check itself, and the list against their sources."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from isoloss.planning.export.names import check_names, known_names

SOURCES = "ISOLOSS_TRAINER_SOURCES"
KNOWN = {"a": "int", "b": "float?", "c": "x|y", "d": "flag", "e": "only", "f": "any"}


def refusal(given: dict) -> str:
    """What the check says against values; empty where it takes them."""
    try:
        check_names("test", given, KNOWN)
    except AssertionError as error:
        return str(error)
    return ""


@pytest.mark.parametrize(
    "given", [{"a": 1}, {"b": None}, {"b": 2}, {"c": "x"}, {"d": True}, {"e": "only"}, {"f": []}]
)
def test_right_values(given: dict) -> None:
    assert refusal(given) == ""


@pytest.mark.parametrize(
    "given",
    [{"z": 1}, {"a": 1.5}, {"a": True}, {"a": None}, {"b": "1"}, {"c": "z"}, {"d": 1}, {"e": "z"}],
)
def test_wrong_values(given: dict) -> None:
    assert "test" in refusal(given)


def test_every_source_says_where_it_was_read() -> None:
    for name in ("megatron", "torchtitan", "nemo"):
        source = known_names()[name]
        assert re.fullmatch("[0-9a-f]{40}", source["commit"])
        assert source["repository"].startswith("github.com/")
        assert source["read_from"]


def _text(folder: str, *paths: str) -> str:
    home = Path(os.environ.get(SOURCES, ""), folder)
    if not os.environ.get(SOURCES) or not home.is_dir():
        pytest.skip(f"{SOURCES} names no folder with a checkout of {folder}")
    return "\n".join(path.read_text("utf-8") for p in paths for path in sorted(home.glob(p)))


def test_megatron_has_every_argument() -> None:
    text = _text("Megatron-LM", "megatron/training/**/*.py", "megatron/core/**/*config*.py")
    for name in known_names()["megatron"]["arguments"]:
        # An argument stands there itself, or is made from the field of a dataclass.
        bare = name.removeprefix("--")
        field = bare.removeprefix("disable-").removeprefix("no-").replace("-", "_")
        stands = re.search(rf"['\"]{re.escape(name)}['\"]", text)
        assert stands or re.search(rf"^    {field}: ", text, re.MULTILINE), name


def test_torchtitan_has_every_key() -> None:
    text = _text("torchtitan", "torchtitan/config/job_config.py")
    for section in known_names()["torchtitan"]["sections"].values():
        for name in section:
            assert re.search(rf"^    {name}: ", text, re.MULTILINE), name
    for kind, names in known_names()["torchtitan"]["model_arguments"].items():
        text = _text("torchtitan", f"torchtitan/models/{kind}/model/args.py")
        for name in names:
            assert re.search(rf"^    {name}: ", text, re.MULTILINE), name


def test_nemo_has_every_field() -> None:
    text = _text("NeMo", "nemo/lightning/pytorch/**/*.py", "nemo/collections/llm/**/*.py") + _text(
        "Megatron-LM", "megatron/core/**/*config*.py"
    )
    for target, names in known_names()["nemo"]["targets"].items():
        kind = target.rsplit(".", 1)[1]
        assert re.search(rf"^(class|def) {kind}\b", text, re.MULTILINE), target
        for name in names:
            assert re.search(rf"^\s+{name}\s*[:=]", text, re.MULTILINE), f"{target}: {name}"
