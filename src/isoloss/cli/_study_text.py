"""What `isoloss study` prints at its end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def finished(results: Mapping[str, Any]) -> str:
    """The summary of the reports and where everything lies."""
    from isoloss.reports import summary_text

    return "\n".join([summary_text(dict(results)), "", *_paths(results)])


def planned(shown: Mapping[str, Any]) -> str:
    """The table of rungs, and what to do next."""
    from isoloss.studies.rungs import rungs_text

    told = "Nothing was trained; the same command without --dry-run does."
    if "jobs" in shown["paths"]:
        told = f"Nothing was trained; the jobs are in {shown['paths']['jobs']}."
    return f"{rungs_text(shown)}\n{told}"


def status(told: Mapping[str, Any]) -> str:
    """One line a fact, nested ones indented."""
    return "\n".join(_lines(told, 0))


def _paths(results: Mapping[str, Any]) -> list[str]:
    paths = results.get("paths") or {}
    return [f"{name:<11} {path}" for name, path in paths.items()]


def _lines(value: Mapping[str, Any], depth: int) -> list[str]:
    lines: list[str] = []
    for name, item in value.items():
        label = f"{'  ' * depth}{str(name).replace('_', ' ')}"
        if isinstance(item, Mapping):
            lines += [f"{label}:", *_lines(item, depth + 1)]
        elif isinstance(item, (list, tuple)) and any(isinstance(part, Mapping) for part in item):
            lines.append(f"{label}: {len(item)}")
        else:
            lines.append(f"{label}: {item}")
    return lines
