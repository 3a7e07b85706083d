"""The page as text: its parts, escapes and policy, and what it says where parts are missing."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from isoloss.errors import EnvironmentProblem
from isoloss.reports import build_page, write_report

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u2028 ${style} $x"


class Outline(HTMLParser):
    """Headings, elements with their attributes, and the raw text of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[tuple[int, str]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.raw: list[tuple[dict[str, str | None], str]] = []
        self._heading = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))
            self._heading = True

    def handle_endtag(self, tag: str) -> None:
        if re.fullmatch(r"h[1-6]", tag):
            self._heading = False

    def handle_data(self, data: str) -> None:
        if self._heading:
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)
        elif self.elements and self.elements[-1][0] in ("script", "style"):
            self.raw.append((self.elements[-1][1], data))


def _without_scripts(text: str) -> str:
    return re.sub(r"<(script|style)\b[^>]*>.*?</\1>", "", text, flags=re.S)


@pytest.fixture
def text(results: dict[str, Any]) -> str:
    return build_page(results)


def test_has_every_section_with_headings_in_order(text: str) -> None:
    headings = Outline(text).headings
    titles = [title for _, title in headings]
    for title in (
        "Scaling law: Shakespeare on a laptop",
        "Loss against compute",
        "Prediction and measurement, magnified",
        "Lines of equal loss over N and D",
        "Loss against N",
        "Loss against D",
        "Residuals",
        "Backtest: predicted against measured",
        "Plans",
        "Fitted parameters",
        "Checks of the fit",
        "Forms compared",
        "Backtest",
        "Rungs",
        "Runs",
        "Definitions",
        "Provenance",
    ):
        assert titles.count(title) == 1, title
    levels = [level for level, _ in headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_the_answer_comes_first(text: str) -> None:
    body = text[text.index("<body>") :]
    for fact in ("3.0123", "[2.9810, 3.0440]", "3.0207", "-0.28%", "inside the 90% interval"):
        assert body.index(fact) < body.index("<figure>"), fact


def test_says_conventions_definitions_and_provenance(text: str, results: dict[str, Any]) -> None:
    shown = _without_scripts(text)
    convention = "N: params_matmul (output head 23 to 64% of it) · C: palm FLOP"
    assert shown.count(convention) >= text.count("<figure>")
    for part in ("definitions", "provenance", "paths"):
        for value in results[part].values():
            assert str(value) in shown, value
    assert "Train a larger rung before you trust that plan." in shown
    assert "one-sided profile" in shown
    assert "more than 30% of N" in shown


def test_every_run_check_form_and_plan_has_a_row(text: str, results: dict[str, Any]) -> None:
    for row in results["runs"]:
        assert f'<th scope="row">{row["run_id"][:12]}</th>' in text
    for form in results["forms"]:
        assert form["formula"] in text
    for budget in ("1.00×10¹³", "1.00×10¹⁵", "1.00×10¹⁸"):
        assert budget in text


def test_accessible_names_and_table_headers(text: str) -> None:
    elements = Outline(text).elements
    charts = [held for _, held in elements if held.get("class") == "chart"]
    assert len(charts) == 7
    assert all(held["role"] == "img" and held["aria-label"] for held in charts)
    headers = [held for tag, held in elements if tag == "th"]
    assert all(held.get("scope") in ("row", "col") for held in headers)
    identifiers = [held["id"] for _, held in elements if held.get("id")]
    assert len(identifiers) == len(set(identifiers))
    for _, held in elements:
        label = held.get("aria-labelledby")
        assert label is None or label in identifiers
        link = held.get("href") or ""
        assert not link.startswith("#") or link[1:] in identifiers


def test_policy_names_the_hashes_of_its_script_and_style(text: str) -> None:
    outline = Outline(text)
    policy = next(
        str(held["content"])
        for _, held in outline.elements
        if held.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        found = re.findall(rf"<{tag}>(.*?)</{tag}>", text, flags=re.S)
        assert len(found) == 1
        digest = base64.b64encode(hashlib.sha256(found[0].encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert re.findall(r"<[^>]+\s(?:on\w+|style)=", _without_scripts(text)) == []


def test_loads_nothing(text: str) -> None:
    shown = _without_scripts(text)
    assert "http:" not in shown
    assert "https:" not in shown
    for tag, held in Outline(text).elements:
        assert "src" not in held, tag
        assert str(held.get("href") or "#").startswith(("#", "data:"))
    style = next(iter(re.findall(r"<style>(.*?)</style>", text, flags=re.S)))
    assert "url(" not in style
    assert "@import" not in style
    data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, flags=re.S)
    assert data is not None
    assert "http" not in data.group(1)
    assert set(json.loads(data.group(1))["specs"]) >= {"compute", "backtest"}


def _poison(value: Any, depth: int = 0) -> Any:
    """Every text of the results that is no column name becomes hostile."""
    kept = {"params_matmul", "palm", "ok", "ladder", "noise", "verification", "nats_per_token"}
    if isinstance(value, dict):
        return {key: _poison(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_poison(item, depth + 1) for item in value]
    return HOSTILE if isinstance(value, str) and value not in kept else value


def test_escapes_every_text(results: dict[str, Any]) -> None:
    poisoned = _poison(results)
    poisoned["definitions"][HOSTILE] = HOSTILE
    poisoned["provenance"][HOSTILE] = HOSTILE
    poisoned["fit"]["params"][HOSTILE] = poisoned["fit"]["params"].pop("E")
    poisoned["plans"][0]["architecture"]["d_model"] = HOSTILE
    poisoned["plans"][0]["flops_by_convention"][HOSTILE] = 1e13
    text = build_page(poisoned)
    assert text.count("<script>") == 1
    assert text.count("</script>") == 2
    assert "<img" not in _without_scripts(text)
    assert "&lt;img" in text
    assert "${style}" in text
    data = re.search(r'<script type="application/json"[^>]*>(.*?)</script>', text, flags=re.S)
    assert data is not None
    assert not set("<>\u2028") & set(data.group(1))
    json.loads(data.group(1))


def test_hostile_conventions_stay_text(results: dict[str, Any]) -> None:
    results["fit"]["flops_convention"] = HOSTILE
    for row in results["runs"]:
        row["loss_unit"] = HOSTILE
    assert "<img" not in _without_scripts(build_page(results))


def test_missing_parts_say_why(diverged: dict[str, Any]) -> None:
    text = _without_scripts(build_page(diverged))
    assert "Not measured: The run diverged at step 412" in text
    assert "Not drawn: Too few runs: a backtest needs three larger ones." in text
    assert "Empty: Too few runs: a backtest needs three larger ones." in text
    assert "not measured: One seed only." in text
    assert "diverged: The run diverged at step 412" in text
    assert "inside the 90% interval" not in text
    assert "nan" not in text.lower().replace("provenance", "")


@pytest.mark.parametrize(
    "name",
    [
        "corpus",
        "forms",
        "backtest",
        "noise",
        "verification",
        "curves",
        "residuals",
        "plans",
        "definitions",
        "provenance",
        "warnings",
        "paths",
        "fit",
        "runs",
        "study",
    ],
)
def test_a_page_without_one_part(
    name: str, results: dict[str, Any], page_of: Callable[..., str]
) -> None:
    del results[name]
    assert page_of(results).endswith("</html>\n")


def test_an_outside_measurement_is_said_to_be_outside(results: dict[str, Any]) -> None:
    results["verification"] |= {"measured": 3.2, "error_percent": -5.86, "inside": False}
    text = build_page(results)
    assert '<section class="answer bad"' in text
    assert "lies outside the 90% interval" in text


def test_equal_results_give_equal_pages(results: dict[str, Any], text: str) -> None:
    assert build_page(results) == text


def test_chinese_names(results: dict[str, Any]) -> None:
    results["study"]["name"] = "红楼梦"
    assert "<h1>Scaling law: 红楼梦</h1>" in build_page(results)
    assert "Noto Sans CJK" in build_page(results)


def test_write_report(results: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "folder" / "page.html"
    write_report(results, path)
    assert path.read_text("utf-8") == build_page(results)
    (tmp_path / "file").write_text("")
    with pytest.raises(EnvironmentProblem):
        write_report(results, tmp_path / "file" / "page.html")


def test_needs_no_pytorch_and_imports_late(python: Callable[..., Any]) -> None:
    told = python(
        "import isoloss.reports, sys\n"
        "late = {'altair', 'vl_convert', 'numpy', 'pandas'} & set(sys.modules)\n"
        "assert not late, late",
        blocked=("torch", "isoloss.models", "isoloss.training"),
    )
    assert told.returncode == 0, told.stderr
