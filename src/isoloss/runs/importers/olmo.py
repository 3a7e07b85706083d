"""The output of OLMo's and OLMo-core's trainers.

Lines as printed by `log_metrics_to_console` of allenai/OLMo at 59a53e3 and by the callbacks
`ConsoleLogger` and `Evaluator` of allenai/OLMo-core at fa6c501: `[step=N/M,epoch=0]` and below it,
indented, `name=value` with four digits (from 1e9 on with a letter, as in `4.194B`).
"""

from __future__ import annotations

import re
from pathlib import Path

from isoloss.runs.importers._logs import (
    Curves,
    ended,
    head,
    last_error,
    number_of,
    read_lines,
    require_points,
    run_told,
)
from isoloss.runs.importers.history import RunHistory

_STEP = re.compile(r"\[step=([\d,]+)/([\d,]+|\?\?\?|None)[^\]]*\]")
_METRIC = re.compile(r"^(?:\s{4,}|.*\bINFO\s+)([^\s=\[][^=]*)=([^\s=]+)\s*(?:\S+\.py:\d+)?\s*$")
_FINISHED = re.compile(r"\bFinished (.+?) evals in [\d.,]+ seconds\. Metrics:")
_FACTS = {
    "params_total": re.compile(r"\b(?:Total number of parameters: |- )([\d,]+)(?: total params)?$"),
    "params_non_embedding": re.compile(
        r"\b(?:Number of non-embedding parameters: |- )([\d,]+)(?: non-embedding params)?$"
    ),
}
_BUILDING = re.compile(
    r"Building transformer with ([\d,]+) total params, ([\d,]+) non-embedding params"
)
_WANTED = ("train/", "eval/", "throughput/total", "optim/", "learning")


def looks_like_olmo(path: Path) -> bool:
    """Whether a file is such a log."""
    text = head(path)
    return bool(_STEP.search(text) and re.search(r"(?m)^.*\b(?:train|eval)/[^=\n]+=\S+\s*", text))


def read_olmo(path: Path) -> list[RunHistory]:
    """The run that a log tells.

    Raises:
        NotFoundError, EnvironmentProblem: as `read_lines`; DataError: it holds no loss.
    """
    lines = read_lines(path)
    curves = Curves()
    config: dict[str, object] = {}
    step: float | None = None
    planned: float | None = None
    evaluator = ""
    for line in lines:
        if found := _STEP.search(line):
            step, evaluator = float(found[1].replace(",", "")), ""
            planned = number_of(found[2]) or planned
        elif found := _FINISHED.search(line):
            evaluator = f"eval/{found[1]}/"
        elif found := _METRIC.match(line):
            name = found[1].strip()
            name = name if name.startswith(_WANTED) or not evaluator else evaluator + name
            if step is not None and name.startswith(_WANTED):
                curves.add_text(name, step, found[2])
        else:
            evaluator = "" if line.strip() else evaluator
            _add_counts(config, line)
    require_points(curves, path, "OLMo")
    said = any("Training complete" in line for line in lines)
    ending = ended(curves, said=said, planned=planned, error=last_error(lines))
    notes = ["OLMo prints losses with four digits"]
    return run_told(path, curves, config, ending, notes=notes)


def _add_counts(config: dict[str, object], line: str) -> None:
    text = line.rstrip()
    if found := _BUILDING.search(text):
        config["params_total"] = number_of(found[1])
        config["params_non_embedding"] = number_of(found[2])
        return
    for name, pattern in _FACTS.items():
        # The two lines of OLMo-core differ by their ending only.
        said = ("non-embedding" in text) == (name == "params_non_embedding")
        if said and "param" in text and (found := pattern.search(text)):
            config[name] = number_of(found[1])
