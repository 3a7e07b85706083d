"""The library as a page of documentation: what `make laws` writes to docs/laws.md."""

from __future__ import annotations

import textwrap

from isoloss.laws.law import Law
from isoloss.laws.library import get_law, law_names

_HEAD = """\
# The laws of the library

Made by `make laws` from `src/isoloss/laws`; a test holds it equal to them.

A law is data: a formula, its parameters and its variables. Use one by its name
(`il.fit(runs, "skaling")`, `isoloss fit runs.csv --law skaling`), or write any formula in its
place: `isoloss fit runs.csv --law "E + A/N**alpha"`. Parameters can be fixed or tied
(`--fix E=1.69`, `--tie beta=alpha`). A law marked *unverified* agrees with its own formula, but no
table here could test it against runs.
"""


def page_of_laws() -> str:
    """The page, in Markdown, one section a law in the order of the library."""
    laws = [get_law(name) for name in law_names()]
    lines = [_HEAD, "| name | formula | predicts |", "|---|---|---|"]
    lines += [f"| [{x.name}](#{x.name}) | `{_cell(x.formula)}` | {x.target} |" for x in laws]
    return "\n".join([*lines, "", *(_section(law) for law in laws)]).rstrip() + "\n"


def _section(law: Law) -> str:
    columns = "; ".join(f"`{v}`: {law.units.get(v, v)}" for v in law.variables)
    lines = [f"## {law.name}", "", f"**{law.title}.** `{law.formula}`", ""]
    lines += [textwrap.fill(law.note, 100), ""] if law.note else []
    lines += [f"* Variables: {columns}", f"* Reference: {law.reference}"]
    lines.append(f"* Checked by: {law.evidence}" if law.evidence else "* *Unverified*")
    lines += ["", "| parameter | domain | meaning |", "|---|---|---|"]
    lines += [f"| {p.name} | {p.low:g} to {p.high:g} | {p.meaning} |" for p in law.parameters]
    for source, values in law.constants.items():
        told = ", ".join(f"{name} {value:.9g}" for name, value in values.items())
        lines += ["", f"{source}: {told}"]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
