"""The page in a real browser, offline: what is drawn, asked for, complained of and cut off."""

from __future__ import annotations

import base64
import contextlib
import fcntl
import json
import os
import select
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

SCHEMES = ("light", "dark")
WIDTHS = (1280, 390)
NAMES = ("compute", "verification", "contours", "parameters", "tokens", "residuals", "backtest")


class Browser:
    """Chromium over its debugging pipe: file descriptors 3 and 4, one JSON a zero byte."""

    def __init__(self, executable: str, profile: Path) -> None:
        inner_read, outer_write = _pipe()
        outer_read, inner_write = _pipe()
        arguments = [
            executable,
            "--headless=new",
            "--remote-debugging-pipe",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--no-first-run",
            f"--user-data-dir={profile}",
        ]
        actions = [
            (os.POSIX_SPAWN_DUP2, inner_read, 3),
            (os.POSIX_SPAWN_DUP2, inner_write, 4),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        ]
        self.process = os.posix_spawn(executable, arguments, os.environ, file_actions=actions)
        os.close(inner_read)
        os.close(inner_write)
        self._read, self._write = outer_read, outer_write
        self._buffer, self._number = b"", 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _next(self, seconds: float = 60) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._read], [], [], seconds)
            assert ready, "Chromium does not answer"
            part = os.read(self._read, 1 << 20)
            assert part, "Chromium ended"
            self._buffer += part
        text, _, self._buffer = self._buffer.partition(b"\0")
        return json.loads(text)

    def evaluate(self, expression: str) -> Any:
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def until(self, expression: str, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while not self.evaluate(expression):
            assert time.monotonic() < end, f"never true: {expression}"
            time.sleep(0.1)

    def scheme(self, name: str) -> None:
        feature = {"name": "prefers-color-scheme", "value": name}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def open(self, page: Path, width: int, scheme: str) -> None:
        self.events.clear()
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=900,
            deviceScaleFactor=1,
            mobile=False,
        )
        self.scheme(scheme)
        self.call("Page.navigate", url=page.as_uri())
        here = f"location.href === {json.dumps(page.as_uri())}"
        self.until(f"{here} && document.documentElement?.dataset.drawn === '{scheme}'")

    def picture(self, path: Path) -> None:
        shot = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def requests(self) -> list[str]:
        named = [e for e in self.events if e.get("method") == "Network.requestWillBeSent"]
        return [event["params"]["request"]["url"] for event in named]

    def complaints(self) -> list[str]:
        kinds = ("Runtime.exceptionThrown", "Log.entryAdded")
        found = [json.dumps(e["params"]) for e in self.events if e.get("method") in kinds]
        calls = [e["params"] for e in self.events if e.get("method") == "Runtime.consoleAPICalled"]
        return found + [json.dumps(c) for c in calls if c["type"] in ("error", "warning")]

    def close(self) -> None:
        self._session = None
        with contextlib.suppress(AssertionError, OSError):
            self.call("Browser.close")
        os.close(self._write)
        os.close(self._read)
        os.waitpid(self.process, 0)


def _pipe() -> tuple[int, int]:
    """Both ends above the descriptors that Chromium wants, closed in other processes."""
    ends = os.pipe()
    high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 20) for end in ends]
    for end in ends:
        os.close(end)
    return high[0], high[1]


@pytest.fixture(scope="module")
def browser(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    opened = Browser(chromium, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture
def page(results: dict[str, Any], page_of: Callable[..., str], tmp_path: Path) -> Path:
    path = tmp_path / "report.html"
    path.write_text(page_of(results), "utf-8")
    return path


def _own_request(url: str, page: Path) -> bool:
    return url == page.as_uri() or url.startswith("data:")


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_draws_offline_without_complaint(
    browser: Browser, page: Path, width: int, scheme: str
) -> None:
    browser.open(page, width, scheme)
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not _own_request(url, page)] == []
    for name in NAMES:
        box = browser.evaluate(
            f"(r => [r.width, r.height])(document.querySelector('#chart-{name} svg')"
            ".getBoundingClientRect())"
        )
        assert box[0] > 0.75 * min(width, 900), (name, box)
        assert box[1] > 100, (name, box)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    folder = os.environ.get("ISOLOSS_PICTURES")
    if folder:
        browser.picture(Path(folder) / f"report-{width}-{scheme}.png")


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_of_a_chart_is_cut_off(browser: Browser, page: Path, width: int) -> None:
    browser.open(page, width, "light")
    cut = browser.evaluate("""
      [...document.querySelectorAll('.chart')].flatMap(chart => {
        const box = chart.getBoundingClientRect();
        return [...chart.querySelectorAll('text')].filter(text => {
          const inner = text.getBoundingClientRect();
          const seen = text.textContent && getComputedStyle(text).opacity !== '0' && inner.width;
          return seen && (inner.left < box.left - 1 || inner.right > box.right + 1);
        }).map(text => `${chart.id}: ${text.textContent}`);
      })""")
    assert cut == []


def test_charts_follow_a_change_of_colour_scheme(browser: Browser, page: Path) -> None:
    ink = "getComputedStyle(document.querySelector('#chart-compute .role-axis-title text')).fill"
    browser.open(page, 1280, "light")
    light = browser.evaluate(ink)
    browser.scheme("dark")
    browser.until("document.documentElement.dataset.drawn === 'dark'")
    assert browser.evaluate(ink) != light
    assert browser.complaints() == []


def test_words_stand_out_from_their_background(browser: Browser, page: Path) -> None:
    """Contrast of WCAG 2 level AA: 4.5 for text of this size."""
    for scheme in SCHEMES:
        browser.open(page, 1280, scheme)
        worst = browser.evaluate("""
          (() => {
            const light = text => {
              const parts = text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
                .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
              return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
            };
            const behind = node => {
              for (; node; node = node.parentElement) {
                const colour = getComputedStyle(node).backgroundColor;
                if (colour !== 'rgba(0, 0, 0, 0)') return colour;
              }
              return 'rgb(255, 255, 255)';
            };
            const ratio = (a, b) =>
              (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
            return Math.min(...[...document.querySelectorAll('p, dt, dd, th, td, a, h1, h2, h3, ' +
              'figcaption, li')].map(n => ratio(getComputedStyle(n).color, behind(n))));
          })()""")
        assert worst >= 4.5, scheme


def test_a_tooltip_appears_in_the_page_s_own_style(browser: Browser, page: Path) -> None:
    browser.open(page, 1280, "light")
    browser.evaluate("document.getElementById('chart-contours').scrollIntoView()")
    x, y = browser.evaluate(
        "(r => [r.x + r.width / 2, r.y + r.height / 2])(document.querySelectorAll("
        "'#chart-contours .mark-symbol path')[7].getBoundingClientRect())"
    )
    for offset in (30, 0):
        browser.call("Input.dispatchMouseEvent", type="mouseMoved", x=x + offset, y=y)
    browser.until("document.querySelector('#vg-tooltip-element.visible') !== null", 10)
    told = browser.evaluate("document.querySelector('#vg-tooltip-element').innerText")
    assert "Loss" in told
    assert "D (tokens)" in told
    assert browser.complaints() == []


def test_hostile_names_stay_text(
    browser: Browser, results: dict[str, Any], page_of: Callable[..., str], tmp_path: Path
) -> None:
    hostile = "</script><script>window.hurt = 1</script><img src=x onerror='window.hurt = 2'>"
    results["study"]["name"] = hostile
    results["warnings"] = [hostile]
    for row in results["runs"]:
        row["run_id"] = hostile
    path = tmp_path / "hostile.html"
    path.write_text(page_of(results), "utf-8")
    browser.open(path, 1280, "light")
    assert browser.evaluate("window.hurt") is None
    assert browser.complaints() == []
    assert [url for url in browser.requests() if not _own_request(url, path)] == []
    assert hostile in browser.evaluate("document.querySelector('h1').textContent")


def test_a_diverged_study_is_drawn_too(
    browser: Browser, diverged: dict[str, Any], page_of: Callable[..., str], tmp_path: Path
) -> None:
    path = tmp_path / "diverged.html"
    path.write_text(page_of(diverged), "utf-8")
    browser.open(path, 390, "dark")
    assert browser.complaints() == []
    assert browser.evaluate("document.documentElement.scrollWidth") <= 390
    assert browser.evaluate("document.querySelectorAll('.chart svg').length") == len(NAMES) - 1
