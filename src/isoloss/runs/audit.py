"""The audit of a run table: what is wrong with it before a law is fitted to it."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from isoloss.runs._audit_counts import conventions, count_findings
from isoloss.runs._audit_ends import end_findings
from isoloss.runs._audit_evidence import SEVERITIES, Evidence, Finding, Severity, counted, several
from isoloss.runs._audit_missing import gap_findings, missing_columns
from isoloss.runs._audit_repeats import repeat_findings
from isoloss.runs._audit_spread import spread_findings
from isoloss.runs._audit_units import unit_findings

if TYPE_CHECKING:
    import pandas as pd

    from isoloss.runs.table import Runs

__all__ = ["Audit", "Finding", "Severity", "check_runs"]

WIDTH = 80


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What an audit of a run table found.

    Attributes:
        n_rows: rows of the table.
        n_used: those that a fit may use; only they are audited.
        findings: the weightiest first.
        conventions: how N and C are counted, one line each, as far as shapes and 6ND tell.
        missing: columns that are not there, each with what it would be needed for.
        ranges: the summary of the table, one line a variable.
    """

    n_rows: int
    n_used: int
    findings: tuple[Finding, ...]
    conventions: tuple[str, ...]
    missing: tuple[tuple[str, str], ...]
    ranges: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing worse than a note was found."""
        return all(finding.severity == "note" for finding in self.findings)

    def of(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of one severity."""
        return tuple(finding for finding in self.findings if finding.severity == severity)

    def __contains__(self, name: object) -> bool:
        return any(finding.name == name for finding in self.findings)

    def __repr__(self) -> str:
        return f"<Audit: {self.n_rows} rows, {self._score()}>"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON."""
        return {
            "n_rows": self.n_rows,
            "n_used": self.n_used,
            "ok": self.ok,
            "findings": [{**asdict(f), "rows": list(f.rows)} for f in self.findings],
            "conventions": list(self.conventions),
            "missing": [{"column": name, "blocks": what} for name, what in self.missing],
        }

    def to_frame(self) -> pd.DataFrame:
        """One row a finding."""
        import pandas as pd

        names = list(Finding.__dataclass_fields__)
        return pd.DataFrame([asdict(finding) for finding in self.findings], columns=names)

    def summary(self) -> str:
        """One page of at most 80 columns: ranges, conventions, findings, what is missing."""
        lines = list(self.ranges)
        if self.conventions:
            lines += ["", "how N and C are counted", *_wrapped(self.conventions)]
        for finding in self.findings:
            lines += ["", *_finding_lines(finding)]
        if self.missing:
            told = [f"{name}: {what}" for name, what in self.missing]
            lines += ["", "not in the table, and what that stops", *_wrapped(told)]
        return "\n".join([*lines, "", f"{self._score()}"])

    def _score(self) -> str:
        numbers = [(len(self.of(severity)), severity) for severity in SEVERITIES]
        return ", ".join(counted(number, severity) for number, severity in numbers)


def check_runs(runs: Runs) -> Audit:
    """Look for what makes a fit to a table mislead, before it is fitted.

    Units (counts in billions, losses in bits), conventions of N and C against shapes and 6ND,
    duplicates, views and sweeps mixed into one table, tokenisers and datasets that do not
    compare, checkpoints, undecayed, diverged and unfinished runs, and whether N and D move
    enough, and apart. Only rows that a fit may use are looked at.

    >>> from isoloss.runs import example_runs
    >>> check_runs(example_runs()).ok
    True
    """
    import numpy as np

    evidence = Evidence.of(runs)
    # Absurd numbers overflow to infinities, and empty cells are not-a-number: checks pass them by.
    with np.errstate(all="ignore"):
        findings = sorted(_findings(evidence), key=lambda f: SEVERITIES.index(f.severity))
        told = tuple(convention.text for convention in conventions(evidence))
    first, *ranges = runs.summary().split("\nleft out:")[0].split("\n")
    return Audit(
        n_rows=len(runs),
        n_used=len(evidence),
        findings=tuple(findings),
        conventions=told,
        missing=tuple(missing_columns(evidence)) if len(evidence) else (),
        ranges=(first, *(line for line in ranges if not line.startswith("note: "))),
    )


def _findings(evidence: Evidence) -> Iterator[Finding]:
    if len(evidence) == 0:
        yield Finding(
            name="no_rows",
            severity="error",
            message="no row may be used for a fit",
            cure="See the columns status and reason.",
        )
        return
    yield from unit_findings(evidence)
    yield from count_findings(evidence)
    yield from repeat_findings(evidence)
    yield from end_findings(evidence)
    yield from spread_findings(evidence)
    yield from gap_findings(evidence)


def _finding_lines(finding: Finding) -> list[str]:
    head = f"{finding.severity}: {finding.name}: {finding.message}"
    told = [head, f"→ {finding.cure}"]
    if finding.rows:
        told.append(f"rows: {several(finding.rows, 3)}")
    return [*_wrapped(told[:1], indent=0), *_wrapped(told[1:])]


def _wrapped(texts: list[str] | tuple[str, ...], indent: int = 2) -> list[str]:
    lines: list[str] = []
    for text in texts:
        lines += textwrap.wrap(
            text,
            WIDTH,
            initial_indent=" " * indent,
            subsequent_indent=" " * (indent + 2),
            break_long_words=True,
        )
    return lines
