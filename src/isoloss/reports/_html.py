"""Parts of a page: escaped text, tables, and the policy under which nothing else may run."""

from __future__ import annotations

import base64
import hashlib
import html
from importlib import resources
from string import Template
from typing import Any

from isoloss.reports._numbers import MISSING
from isoloss.reports._theme import FONT
from isoloss.reports.tables import Table


def asset(name: str) -> str:
    """A file of this room."""
    return resources.files("isoloss.reports").joinpath(name).read_text("utf-8")


def page_style(*more: str) -> str:
    """The style of every page, and more files after it."""
    return "\n".join(asset(name) for name in ("page.css", *more)).replace("$FONT", FONT)


def escape(value: Any) -> str:
    """A value as text that no markup comes out of."""
    return html.escape(str(value), quote=True)


def policy(style: str, script: str = "") -> str:
    """What may run on a page: this script and this style, by their hashes, and nothing else."""

    def source(text: str) -> str:
        digest = hashlib.sha256(text.encode("utf-8")).digest()
        return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"

    scripts = source(script) if script else "'none'"
    return (
        f"default-src 'none'; script-src {scripts}; style-src {source(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def head_html(title: str, style: str, script: str = "") -> str:
    """What every page begins with; style and script are named by their hashes.

    Args:
        title: escaped already.
        style: all of the page's.
        script: all of the page's; none may run where there is none.
    """
    return Template(asset("head.html")).substitute(
        title=title, policy=escape(policy(style, script)), style=style
    )


def table_html(table: Table, convention: str = "") -> str:
    """A table with its heading and caption; a sentence on conventions under it."""
    heading = f'<h3 id="{table.name}">{escape(table.title)}</h3>'
    if not table.rows:
        return f'<div class="absent">{heading}<p>Empty: {escape(table.reason)}</p></div>'
    numeric = [name.endswith("#") for name in table.columns]
    head = "".join(
        f'<th scope="col"{_number(flag)}>{escape(name.removesuffix("#"))}</th>'
        for name, flag in zip(table.columns, numeric, strict=True)
    )
    body = "\n".join(_row(cells, numeric) for cells in table.rows)
    under = f'<span class="convention">{escape(convention)}</span>' if convention else ""
    return (
        f"{heading}\n"
        f'<div class="scroll" tabindex="0" role="region" aria-labelledby="{table.name}">\n'
        f"<table><thead><tr>{head}</tr></thead><tbody>\n{body}\n</tbody></table></div>\n"
        f'<p class="caption">{escape(table.caption)}{under}</p>'
    )


def _number(flag: bool) -> str:
    return ' class="number"' if flag else ""


def _kind(cell: str, flag: bool) -> str:
    return ' class="long"' if len(cell) > 32 and not flag else _number(flag)


def _row(cells: tuple[str, ...], numeric: list[bool]) -> str:
    first, *others = (
        f"{_kind(cell, flag)}>{escape(cell)}" for cell, flag in zip(cells, numeric, strict=True)
    )
    return (
        f'<tr><th scope="row"{first}</th>' + "".join(f"<td{cell}</td>" for cell in others) + "</tr>"
    )


def pairs_html(title: str, pairs: Any) -> str:
    """Names and values under a heading."""
    items = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(_plain(value))}</td></tr>'
        for name, value in pairs.items()
    )
    return f'<h3>{escape(title)}</h3><table class="pairs"><tbody>{items}</tbody></table>'


def _plain(value: Any) -> str:
    if value is None:
        return MISSING
    if isinstance(value, (list, tuple)):
        return ", ".join(str(item) for item in value)
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)
