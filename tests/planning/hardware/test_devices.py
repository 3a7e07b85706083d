"""The catalogue of devices and devices of one's own."""

from __future__ import annotations

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from isoloss.errors import DataError, IsolossError, NotFoundError, UsageError
from isoloss.planning import Device, device, hardware_names

REPOSITORY = Path(__file__).resolve().parents[3]
MINE = """
[device]
name = "mine"
peak_flops = { bf16 = 200e12 }
memory_bytes = 32e9
memory_bandwidth = 1e12
power_watts = 300
price_per_hour = 1.25
"""


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text(text, "utf-8")
    return path


def test_the_devices_that_were_asked_for_are_there() -> None:
    asked = {
        "a100-40gb", "a100-80gb", "h100-sxm", "h100-pcie", "h200", "b200", "gb200", "mi300x",
        "tpu-v5p", "tpu-v6e", "l40s", "rtx-4090", "laptop-cpu",
    }  # fmt: skip
    assert asked <= set(hardware_names())


@pytest.mark.parametrize("name", hardware_names())
def test_every_figure_has_a_source_and_a_date(name: str) -> None:
    known = device(name)
    asked = {"peak_flops", "memory", "interconnect", "network", "power", "price"}
    assert asked == set(known.sources)
    assert all(known.sources.values())
    assert date.fromisoformat(known.as_of) <= date(2026, 11, 26)
    basis = known.price_per_hour.basis
    assert basis in ("list", "survey", "estimate")
    assert ("estimate" in known.sources["price"].split(":")[0]) == (basis == "estimate")
    assert known.price_per_hour.low < known.price_per_hour.value < known.price_per_hour.high


@pytest.mark.parametrize("name", hardware_names())
def test_peaks_are_dense_and_halve_with_the_width_of_a_number(name: str) -> None:
    peaks = device(name).peak_flops
    if device(name).kind == "gpu":
        assert peaks["fp16"] == peaks["bf16"]
        assert peaks["tf32"] == pytest.approx(peaks["bf16"] / 2, rel=0.03)
    if "fp8" in peaks and name != "tpu-v5p":
        assert peaks["fp8"] == pytest.approx(2 * peaks["bf16"], rel=0.02)


@pytest.mark.parametrize("name", hardware_names())
def test_the_documentation_shows_the_catalogue(name: str) -> None:
    known = device(name)
    price = known.price_per_hour
    peaks = [
        f"{known.peak_flops[dtype] / 1e12:g}" if dtype in known.peak_flops else "–"
        for dtype in ("bf16", "fp8", "fp32")
    ]
    row = [
        f"`{name}`", known.title, *peaks, f"{known.memory_bytes / 1e9:g}",
        f"{known.memory_bandwidth / 1e9:,.0f}", f"{known.node_size:,}",
        f"{known.node_bandwidth / 1e9:g}", f"{known.network_bandwidth / 1e9:g}",
        f"{known.power_watts:g}",
        f"{price.value:.2f} ({price.low:.2f} to {price.high:.2f}), {price.basis}",
    ]  # fmt: skip
    text = (REPOSITORY / "docs" / "hardware.md").read_text("utf-8")
    assert f"| {' | '.join(row)} |" in text


def test_published_figures() -> None:
    """A few by hand: NVIDIA's H100, AMD's and Google's own pages."""
    h100 = device("h100-sxm")
    assert h100.peak("bf16") == 989.4e12
    assert (h100.memory_bytes, h100.memory_bandwidth, h100.power_watts) == (80e9, 3.35e12, 700)
    assert device("mi300x").memory_bytes == 192e9
    assert device("tpu-v5p").peak("bf16") == 459e12
    assert device("a100-40gb").peak_flops == device("a100-80gb").peak_flops


@pytest.mark.parametrize(
    ("alias", "name"), [("h100", "h100-sxm"), ("H100 SXM", "h100-sxm"), ("rtx4090", "rtx-4090")]
)
def test_aliases(alias: str, name: str) -> None:
    assert device(alias).name == name


def test_a_misspelt_name_gets_a_close_one() -> None:
    with pytest.raises(NotFoundError, match="h10-sxm") as caught:
        device("h10-sxm")
    assert "h100-sxm" in caught.value.hint


def test_a_dtype_that_the_device_lacks() -> None:
    with pytest.raises(UsageError, match="fp8") as caught:
        device("a100").peak("fp8")
    assert "bf16" in caught.value.hint
    assert device("laptop-cpu").training_dtype == "fp32"


@pytest.mark.parametrize("name", hardware_names())
def test_devices_survive_json(name: str) -> None:
    known = device(name)
    assert Device.from_dict(json.loads(json.dumps(known.to_dict(), allow_nan=False))) == known


def test_a_device_of_ones_own(tmp_path: Path) -> None:
    mine = device(written(tmp_path, MINE))
    assert (mine.name, mine.title, mine.node_size) == ("mine", "mine", 1)
    assert mine.price_per_hour.value == 1.25
    assert device(str(tmp_path / "mine.toml")) == mine


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("bf16 = 200e12", "bf17 = 200e12", "unknown dtype 'bf17'"),
        ("bf16 = 200e12", "bf16 = -1", "peak_flops.bf16: expected a positive number"),
        ("memory_bytes = 32e9", "", "'memory_bytes' is missing"),
        ("memory_bytes", "memory_byte", "unknown field 'memory_byte'"),
        ("300", "true", "power_watts: expected a positive number, found True"),
        ("= 1.25", "= { value = 1, low = 2, high = 3 }", "price_per_hour"),
        ("= 1.25", "= { value = 1, low = 0.5 }", "lacks 'high'"),
        ("= 1.25", "= 1.25\nnode_size = 8", "node_bandwidth"),
        ("= 1.25", "= 1.25\nnode_size = 1.5", "whole number"),
        ("= 1.25", '= 1.25\nkind = "npu"', "kind must be one of gpu, tpu, cpu"),
        ("[device]", "[devise]", "expected a table"),
        ("[device]", "[device", "expected TOML"),
        ("{ bf16 = 200e12 }", "{}", "peak_flops must be a table"),
        ('"mine"', '""', "the name is empty"),
        ("= 1.25", "= nan", "price_per_hour"),
    ],
)
def test_mistakes_in_a_file_are_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    path = written(tmp_path, MINE.replace(old, new, 1))
    with pytest.raises(DataError, match=message.replace("(", r"\(")) as caught:
        device(path)
    assert str(path) in caught.value.message


def test_a_close_field_is_offered(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        device(written(tmp_path, MINE.replace("memory_bytes", "memory_byte")))
    assert caught.value.hint == "Did you mean 'memory_bytes'?"


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        device(tmp_path / "none.toml")


@given(
    st.dictionaries(
        st.sampled_from(["name", "peak_flops", "memory_bytes", "price_per_hour", "sources"]),
        st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.just({"bf16": 1.0}),
    )
)
def test_junk_gives_only_clear_errors(junk: dict[str, Any]) -> None:
    known = device("h100").to_dict()
    try:
        made = Device.from_dict({**known, **junk})
    except IsolossError:
        return
    assert math.isfinite(made.memory_bytes)
    assert all(peak > 0 for peak in made.peak_flops.values())
