"""TOML and YAML read back as they were written, by the libraries that others read with."""

from __future__ import annotations

import tomllib

import yaml
from hypothesis import given
from hypothesis import strategies as st

from isoloss.planning.export.document import toml_text, yaml_text

KEYS = st.from_regex(r"[a-z][a-z_0-9]{0,9}", fullmatch=True).filter(
    lambda key: key not in ("y", "n", "yes", "no", "on", "off", "true", "false", "null")
)
TEXT = st.text()
PLAIN = (
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT
)
VALUES = PLAIN | st.lists(PLAIN, max_size=3)
DOCUMENTS = st.recursive(
    st.dictionaries(KEYS, VALUES, max_size=4),
    lambda inner: st.dictionaries(KEYS, VALUES | inner, max_size=4),
    max_leaves=6,
)


@given(DOCUMENTS)
def test_toml(document: dict) -> None:
    assert tomllib.loads(toml_text(document)) == document


@given(DOCUMENTS.filter(lambda document: document != {}))
def test_yaml(document: dict) -> None:
    assert yaml.safe_load(yaml_text(document)) == document


def test_floats_stay_floats() -> None:
    for value in (1e-05, 1e16, 5e-324, 0.1, 3.0, -2.5e20):
        assert yaml.safe_load(yaml_text({"a": value})) == {"a": value}
        assert isinstance(yaml.safe_load(yaml_text({"a": value}))["a"], float)
        assert isinstance(tomllib.loads(toml_text({"a": value}))["a"], float)


def test_empty_values() -> None:
    assert yaml.safe_load(yaml_text({"a": None})) == {"a": None}
    assert tomllib.loads(toml_text({"a": {"b": None, "c": 1}})) == {"a": {"c": 1}}
