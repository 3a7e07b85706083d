"""The output of Megatron-LM's pretrain scripts.

Lines as printed by `training_log`, `evaluate_and_print_results` and `_print_args` of
NVIDIA/Megatron-LM at d98e8a6, and by older versions, whose first field has no date: arguments as
`name .... value`, ` iteration 10/ 500 | consumed samples: … | lm loss: … |`, and
` validation loss at iteration 100 | lm loss value: … |`.
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
    value_of,
)
from isoloss.runs.importers.history import RunHistory

_ITERATION = re.compile(r"\biteration\s+(\d+)/\s*(\d+)\s*\|(.*)$")
_FIELD = re.compile(r"\s*([^|:]+(?:\([^)]*\))?):\s*(\S+)\s*")
_VALIDATION = re.compile(
    r"\bvalidation(?P<set>\S*) loss at (?:iteration )?(?P<step>\d+)?(?P<rest>[^|]*)"
    r"\|(?P<fields>.*)$"
)
_VALUE = re.compile(r"([^|]+?) value: (\S+)")
_ARGUMENT = re.compile(r"\b(\w+) \.{2,} (.*\S)\s*$")
_PARAMETERS = re.compile(
    r"number of parameters on \(tensor, (?:\w+, )?pipeline\) model parallel rank "
    r"\(([\d, ]+)\): (\d+)"
)
_END = "[after training is done]"
_TIMES = ("elapsed time", "throughput", "energy", "power")


def looks_like_megatron(path: Path) -> bool:
    """Whether a file is such a log."""
    text = head(path)
    return bool(re.search(r"\biteration\s+\d+/\s*\d+ \| consumed samples:", text))


def read_megatron(path: Path) -> list[RunHistory]:
    """The run that a log tells.

    Raises:
        NotFoundError, EnvironmentProblem: as `read_lines`; DataError: it holds no loss.
    """
    lines = read_lines(path)
    curves = Curves()
    config: dict[str, object] = {}
    ranks: dict[str, float] = {}
    planned: float | None = None
    for line in lines:
        if found := _ITERATION.search(line):
            planned = float(found[2])
            _add_fields(curves, float(found[1]), found[3])
        elif found := _VALIDATION.search(line):
            _add_validation(curves, found)
        elif found := _PARAMETERS.search(line):
            ranks[found[1]] = float(found[2])
        elif found := _ARGUMENT.search(line):
            config[found[1]] = value_of(found[2])
    require_points(curves, path, "Megatron-LM")
    config |= _printed_count(ranks, config)
    said = any(_END in line for line in lines)
    ending = ended(curves, said=said, planned=planned, error=last_error(lines))
    told = {**config, "model_type": "megatron"}
    return run_told(path, curves, told, ending, name=_name(config))


def _add_fields(curves: Curves, step: float, text: str) -> None:
    """The fields of a training line; a loss that was not finite is left out of it, and counted."""
    values = {
        found[1].strip(): number
        for field in text.split("|")
        if (found := _FIELD.fullmatch(field)) and (number := number_of(found[2])) is not None
    }
    if values.get("number of nan iterations") and "lm loss" not in values:
        values["lm loss"] = float("nan")
    for name, value in values.items():
        if not name.startswith(_TIMES):
            curves.add(name, step, value)


def _add_validation(curves: Curves, found: re.Match[str]) -> None:
    """A line of an evaluation; one without its iteration belongs to the last step."""
    last = curves.last_step()
    step = float(found["step"]) if found["step"] else last
    if step is None:
        return
    kind = "test" if "test" in found["rest"] else "validation"
    for field in _VALUE.finditer(found["fields"]):
        curves.add_text(f"{field[1].strip()} {kind}{found['set']}", step, field[2])


def _printed_count(ranks: dict[str, float], config: dict[str, object]) -> dict[str, object]:
    """All parameters, where one rank holds the whole model."""
    whole = all(config.get(f"{way}_model_parallel_size", 1) == 1 for way in ("tensor", "pipeline"))
    return {"params_total": next(iter(ranks.values()))} if whole and len(ranks) == 1 else {}


def _name(config: dict[str, object]) -> str:
    """What the run calls itself, or nothing."""
    for key in ("wandb_exp_name", "save"):
        value = config.get(key)
        if isinstance(value, str) and value.strip("/ "):
            return Path(value).name
    return ""
