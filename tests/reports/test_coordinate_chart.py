"""The figure of a coordinate check, from a plain dictionary."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from isoloss.errors import UsageError
from isoloss.reports.coordinate_chart import coordinate_figure, write_coordinate_figure


def check(**changed: Any) -> dict[str, Any]:
    """Two layers of two widths: one grows as the width, one does not move in the first step."""
    sizes = [
        {"layer": layer, "width": width, "seed": seed, "step": step, "size": 1.0, "change": change}
        for width in (16, 64)
        for seed in (0, 1)
        for step in (0, 1, 2)
        for layer, change in (
            ("embedding", 0.0 if step < 2 else 0.1),
            ("logits", step * (1 + 3 * seed) * width / 100),
        )
    ]
    slopes = [
        {"layer": "embedding", "slope": -0.004, "passed": True},
        {"layer": "logits", "slope": 1.0, "passed": False},
    ]
    return {
        "family": "isoloss", "optimizer": "adamw", "parameterization": "mup",
        "learning_rate": 0.002, "widths": [16, 64], "steps": 2, "status": "failed",
        "message": "the logits grow", "sizes": sizes, "slopes": slopes,
    } | changed  # fmt: skip


def points(spec: dict[str, Any]) -> dict[tuple[str, int, int], float]:
    return {(p["layer"], p["step"], p["width"]): p["change"] for p in spec["data"]["values"]}


def test_points_are_geometric_means_of_what_moved() -> None:
    spec = coordinate_figure(check())
    found = points(spec)
    assert found["logits", 1, 16] == pytest.approx((0.16 * 0.64) ** 0.5)
    assert found["logits", 2, 64] == pytest.approx(2 * (0.64 * 2.56) ** 0.5)
    assert {key for key in found if key[0] == "embedding"} == {
        ("embedding", 2, 16),
        ("embedding", 2, 64),
    }
    assert all(step > 0 for _, step, _ in found)


def test_panels_name_the_exponent_and_what_is_off() -> None:
    spec = coordinate_figure(check())
    assert spec["facet"]["sort"] == ["embedding: −0.00", "logits: +1.00 (off)"]
    assert "failed" in spec["title"]
    assert "µP" in spec["title"]
    assert "the logits grow" in spec["description"]


def test_nothing_to_draw() -> None:
    still = [row | {"change": 0.0} for row in check()["sizes"]]
    with pytest.raises(UsageError, match="no layer moved"):
        coordinate_figure(check(sizes=still))


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.svg", b"<svg"), ("a.PNG", b"\x89PNG"), ("a.html", b"<!DOCTYPE html>")],
)
def test_files(name: str, begins: bytes, tmp_path: Path) -> None:
    write_coordinate_figure(tmp_path / name, check())
    written = (tmp_path / name).read_bytes()
    assert written.lstrip().startswith(begins)
    if name.endswith("html"):
        assert b"<script src" not in written  # it must open without a network


def test_another_format(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.svg, \.png, \.html"):
        write_coordinate_figure(tmp_path / "a.pdf", check())
