"""The summary for the terminal: the answer first, then how far to trust it, then the plans."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from isoloss.reports._columns import COLUMNS, width, wrapped
from isoloss.reports._numbers import (
    MISSING,
    duration_text,
    factor_text,
    finite,
    flops_text,
    interval_text,
    loss_text,
    percent_text,
    short_text,
)
from isoloss.reports._reading import (
    Results,
    aim_text,
    best_form,
    conventions,
    failed_checks,
    ladder,
    level,
    missing_measurement,
    part,
    rows,
    verdict,
)


def summary_text(results: Results) -> str:
    """What a study found, in at most 80 columns.

    Args:
        results: the dictionary of `study.json`.
    """
    lines = [
        *_head(results),
        "",
        *_answer(results),
        "",
        *_law(results),
        "",
        *_task(results),
        *_plans(results),
        *_warnings(results),
    ]
    return "\n".join(lines)


def _head(results: Results) -> list[str]:
    study, corpus = part(results, "study"), part(results, "corpus")
    runs = ladder(results)
    first = f"Study {study.get('name') or 'without a name'}: {len(runs)} runs"
    if runs:
        first += f", {flops_text(sum(run.flops for run in runs))} FLOP"
    if finite(study.get("seconds")) is not None:
        first += f", {duration_text(study['seconds'])}"
    lines = wrapped(first)
    if corpus:
        told = (
            f"Text: {short_text(corpus.get('train_tokens'))} training tokens, "
            f"{short_text(corpus.get('validation_tokens'))} for validation, "
            f"vocabulary {corpus.get('vocab_size')}"
        )
        lines += wrapped(told)
    if aim := aim_text(results).strip():
        lines += wrapped(aim)
    return [*lines, *wrapped(conventions(results))]


def _answer(results: Results) -> list[str]:
    row = part(results, "verification")
    absent = missing_measurement(results)
    if finite(row.get("predicted")) is None:
        return wrapped(absent or "No prediction was registered.")
    at = f"{short_text(row.get('n'))} parameters, {short_text(row.get('d'))} tokens"
    ratio = finite(row.get("compute_ratio"))
    larger = "" if ratio is None else f", {ratio:.3g} times the largest ladder run"
    lines = wrapped(f"Registered before it was trained ({at}{larger}):")
    predicted = f"predicted {loss_text(row.get('predicted'))}"
    interval = interval_text(row.get("low"), row.get("high"))
    if finite(row.get("low")) is None or finite(row.get("high")) is None:
        interval = "(no interval)"
    line = f"{predicted} {interval}"
    if absent:
        return [*lines, *wrapped(line), *wrapped(f"not measured: {absent}"), *_baseline(row)]
    line += f"  measured {loss_text(row.get('measured'))}"
    line += f"  error {percent_text(row.get('error_percent'))}"
    both = f"{line}  {verdict(results)}"
    # Two spaces part the facts, so that the line is cut rather than wrapped.
    answer = [both] if width(both) <= COLUMNS else [line, f"  {verdict(results)}"]
    return [*lines, *answer, *_baseline(row)]


def _baseline(row: Mapping[str, Any]) -> list[str]:
    baseline = row.get("baseline") or {}
    if finite(baseline.get("predicted")) is None:
        return []
    line = f"baseline L(C) predicted {loss_text(baseline.get('predicted'))}"
    if finite(baseline.get("error_percent")) is not None:
        line += f", error {percent_text(baseline.get('error_percent'))}"
    return wrapped(line)


def _law(results: Results) -> list[str]:
    fit, best = part(results, "fit"), best_form(results)
    weight = finite(best.get("weight"))
    weighed = "" if weight is None else f", weight {weight:.2f}"
    lines = wrapped(f"Best form: {best.get('law')}, {best.get('formula')}{weighed}")
    if (fit.get("law"), fit.get("formula")) != (best.get("law"), best.get("formula")):
        lines += wrapped(f"Fitted law: {fit.get('law')}, {fit.get('formula')}")
    lines += wrapped(f"Fit: {fit.get('status') or 'unknown'}")
    for check in failed_checks(results):
        cure = check.get("cure") or ""
        told = f"failed: {check.get('name')}: {check.get('message')}. {cure}".rstrip()
        lines += _bullet(told)
    held = rows(results, "backtest")
    if held:
        inside = sum(bool(row.get("inside")) for row in held)
        lines += wrapped(f"Backtest: {inside} of {len(held)} runs inside their interval")
    elif results.get("backtest_reason"):
        lines += wrapped(f"Backtest: none. {results['backtest_reason']}")
    return lines


def _task(results: Results) -> list[str]:
    """How the task scales; nothing for a study without one."""
    from isoloss.reports.task_chart import check_lines, score_verdict

    task = part(results, "task")
    if not task:
        return []
    lines = wrapped(f"How {task.get('name')} scales ({task.get('n_examples')} held-out examples):")
    for name in part(task, "verification"):
        lines += _bullet(score_verdict(results, name))
    lines += [line for told in check_lines(results) for line in _bullet(told)]
    return [*lines, *wrapped(str(task.get("sentence") or "")), ""]


def _bullet(text: str) -> list[str]:
    return wrapped(f"- {text.strip()}")


def _plans(results: Results) -> list[str]:
    plans = rows(results, "plans")
    if not plans:
        return ["No plan was made."]
    lines = wrapped(f"Lowest loss at a budget C, with {level(results)} intervals:")
    for plan in plans:
        factor = factor_text(plan.get("extrapolation"))
        beyond = "" if factor == MISSING else f", {factor} the largest compute trained"
        lines.append(f"C {flops_text(plan.get('flops'))} FLOP{beyond}")
        size = f"  N {_estimate(plan.get('n'), short_text)}"
        size += f"  D {_estimate(plan.get('d'), short_text)}"
        loss = f"  loss {_estimate(plan.get('loss'), loss_text)}"
        fits = width(size + loss) <= COLUMNS
        lines += [size + loss] if fits else [size, loss]
    return lines


def _estimate(estimate: Mapping[str, Any] | None, text: Callable[[Any], str]) -> str:
    estimate = estimate or {}
    interval = interval_text(estimate.get("low"), estimate.get("high"), text)
    value = text(estimate.get("value"))
    return value if interval == MISSING else f"{value} {interval}"


def _warnings(results: Results) -> list[str]:
    found = [str(text) for text in results.get("warnings") or []]
    found += [str(plan["caveat"]) for plan in rows(results, "plans") if plan.get("caveat")]
    distinct = list(dict.fromkeys(found))
    lines = [line for text in distinct for line in _bullet(text)]
    return ["", "Warnings:", *lines] if lines else []
