"""Train the trunks of a ladder in parallel worker processes of one thread each.

Every finished run is handed to `on_row` at once. A killed ladder is simply run again: a trunk
starts from its last checkpoint and trains no branch that is already known.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import queue
import shutil
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.errors import EnvironmentProblem, IsolossError
from isoloss.ladders.plan import LadderPlan, Trunk
from isoloss.training.run_config import RunConfig

if TYPE_CHECKING:
    from isoloss.training.state import TrainingState

PROGRESS_SECONDS = 0.5
Score = Callable[[Any, Any, RunConfig], dict[str, Any]]
"""Model, corpus and run → further columns of its row; workers get a copy, so it pickles."""


@dataclass(frozen=True, kw_only=True)
class LadderProgress:
    """Where a ladder stands: FLOP trained and in all, runs finished and in all, last event."""

    flops_done: float
    flops_total: float
    runs_done: int
    runs_total: int
    message: str


def train_trunk(
    trunk: Trunk,
    corpus_path: Path,
    folder: Path,
    known: set[str],
    on_row: Callable[[dict[str, Any]], None],
    on_step: Callable[[int], None] | None = None,
    score: Score | None = None,
) -> None:
    """Train one trunk and its branches, the shortest first; `known` run ids are skipped.

    The trunk's state is saved before each branch leaves it, so that a killed trunk loses one
    segment at most. Its checkpoints go when all branches are finished. Runs whose schedule needs
    their length from the first step share nothing: each starts afresh. `on_step` is called with
    the steps that were added to those of the known runs. `score` adds columns to the row of each
    run that did not diverge, while its model is in memory.
    """
    from isoloss.corpus import open_corpus
    from isoloss.training.devices import resolve_device
    from isoloss.training.guards import Diverged
    from isoloss.training.run import (
        check_corpus,
        corpus_batches,
        costs,
        describe,
        diverged,
        finish_branch,
    )
    from isoloss.training.schedules import branch_schedule, trunk_schedule, trunk_steps
    from isoloss.training.state import TrainingState

    corpus = open_corpus(corpus_path)
    home = folder / trunk.trunk_id
    check_corpus(trunk.runs[0], corpus)
    batches = corpus_batches(corpus, trunk.runs[0])
    state: TrainingState | None = None
    tick = (lambda step, loss: on_step(1)) if on_step else None
    unknown = [run for run in trunk.runs if run.run_id not in known]
    for index, run in enumerate(unknown):
        started = time.monotonic()
        schedule = branch_schedule(run.recipe, run.steps)
        leaves = trunk_steps(run.recipe, run.steps)
        loss = run.objective.loss
        if state is None:
            state = _resume_or_start(home, trunk, leaves)
            if on_step and state.step != (counted := _trunk_steps(trunk, known)):
                on_step(state.step - counted)  # saved further on, or lost
        try:
            if state.step < leaves:
                state.advance(leaves, trunk_schedule(run.recipe), batches, tick, loss=loss)
        except Diverged as error:
            for later in unknown[index:]:
                cost = costs(later, corpus, first=later.steps, started=started)
                on_row({**describe(later, corpus), **diverged(error), **cost})
            break
        saved = home / f"{leaves:08d}.safetensors"
        state.save(saved)
        branch = TrainingState.load(saved, device=resolve_device(run.device))
        row = finish_branch(
            branch,
            run,
            corpus,
            first=leaves,
            started=started,
            until=lambda b=branch, r=run, s=schedule: b.advance(
                r.steps, s, batches, tick, loss=r.objective.loss
            ),
        )
        if score is not None and row["status"] == "ok":
            row |= score(branch.model, corpus, run)
        on_row(row)
    shutil.rmtree(home, ignore_errors=True)


def _trunk_steps(trunk: Trunk, known: set[str]) -> int:
    """Steps of the trunk that the known runs needed."""
    from isoloss.training.schedules import trunk_steps

    runs = [run for run in trunk.runs if run.run_id in known]
    return max((trunk_steps(r.recipe, r.steps) for r in runs), default=0)


def _resume_or_start(home: Path, trunk: Trunk, at_most: int) -> TrainingState:
    """The latest trunk checkpoint at or before a step, else a fresh state."""
    from isoloss.errors import DataError, NotFoundError
    from isoloss.training.devices import resolve_device
    from isoloss.training.state import TrainingState

    first = trunk.runs[0]
    device = resolve_device(first.device)
    saved = sorted(
        p for p in home.glob("*.safetensors") if p.stem.isdecimal() and int(p.stem) <= at_most
    )
    for path in reversed(saved):
        try:
            state = TrainingState.load(path, device=device)
        except (DataError, NotFoundError):
            path.unlink(missing_ok=True)
            continue
        same = state.model.config == first.architecture and state.recipe == first.recipe
        if same and state.seed == first.seed and state.step == int(path.stem):
            return state
        path.unlink(missing_ok=True)
    return TrainingState.start(first.architecture, first.recipe, seed=first.seed, device=device)


def _worker(
    jobs: Any,
    results: Any,
    corpus_path: Path,
    folder: Path,
    known: set[str],
    parent: int,
    score: Score | None,
) -> None:
    """Process: take trunks until none is left; leave when the parent is gone."""
    pending = 0
    last = time.monotonic()

    def tell() -> None:
        nonlocal pending, last
        if os.getppid() != parent:  # the study was killed: do not train on without it
            os._exit(1)
        assert trunk is not None
        results.put(("steps", (trunk.runs[0].architecture.d_model, pending)))
        pending, last = 0, time.monotonic()

    def on_step(steps: int) -> None:
        nonlocal pending
        pending += steps
        if time.monotonic() - last > PROGRESS_SECONDS:
            tell()

    def on_row(row: dict[str, Any]) -> None:
        tell()
        results.put(("row", row))

    try:
        import torch

        torch.set_num_threads(1)
        while (trunk := _next_job(jobs, parent)) is not None:
            train_trunk(trunk, corpus_path, folder, known, on_row, on_step, score)
        results.put(("end", None))
    except KeyboardInterrupt:
        os._exit(130)
    except IsolossError as error:
        results.put(("error", (type(error).__name__, error.message, error.hint)))
    except Exception:
        results.put(("crash", traceback.format_exc()))


def _next_job(jobs: Any, parent: int) -> Trunk | None:
    """The next trunk, or None at the end; leaves the process when the parent is gone."""
    while True:
        try:
            return jobs.get(timeout=1.0)
        except queue.Empty:
            if os.getppid() != parent:
                os._exit(1)


def train_ladder(
    plan: LadderPlan,
    corpus_path: Path,
    folder: Path,
    *,
    known: set[str],
    on_row: Callable[[dict[str, Any]], None],
    on_progress: Callable[[LadderProgress], None],
    score: Score | None = None,
) -> None:
    """Train every run of the ladder that is not `known`, the most expensive trunks first.

    `score` is as in `train_trunk`.

    Raises:
        EnvironmentProblem: a worker died (out of memory, for example).
        NotFoundError, DataError: no corpus there, or not the one of the plan.
    """
    open_trunks = [t for t in plan.trunks if any(r.run_id not in known for r in t.runs)]
    for trunk in plan.trunks:
        if trunk not in open_trunks:  # killed between its last row and its last deed
            shutil.rmtree(folder / trunk.trunk_id, ignore_errors=True)
    if not open_trunks:
        return
    open_trunks.sort(key=lambda t: -t.own_steps() * t.runs[-1].flops / t.runs[-1].steps)
    context = multiprocessing.get_context("spawn")
    jobs, results = context.Queue(), context.Queue()
    for trunk in open_trunks:
        jobs.put(trunk)
    count = min(plan.workers, len(open_trunks))
    for _ in range(count):
        jobs.put(None)
    workers = [
        context.Process(
            target=_worker,
            args=(jobs, results, corpus_path, folder, known, os.getpid(), score),
            daemon=True,
        )
        for _ in range(count)
    ]
    threads = {name: os.environ.get(name) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    os.environ.update(dict.fromkeys(threads, "1"))
    try:
        with _deaf_to_interrupts():
            for worker in workers:
                worker.start()
        _collect(plan, workers, results, known, on_row, on_progress)
    finally:
        for name, value in threads.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for worker in workers:
            worker.terminate()
            worker.join()
        jobs.close()
        jobs.cancel_join_thread()
        results.close()


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Processes started inside never see Ctrl-C: the parent alone answers it and ends them.

    Otherwise each would print a traceback, some of them from the middle of an import.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _collect(
    plan: LadderPlan,
    workers: list[Any],
    results: Any,
    known: set[str],
    on_row: Callable[[dict[str, Any]], None],
    on_progress: Callable[[LadderProgress], None],
) -> None:
    """Receive rows and progress until every worker said that it ended."""
    per_step = {
        t.runs[0].architecture.d_model: t.runs[0].flops / t.runs[0].steps for t in plan.trunks
    }
    total, done = 0.0, 0.0
    for trunk in plan.trunks:
        width = trunk.runs[0].architecture.d_model
        total += trunk.own_steps() * per_step[width]
        finished_runs = tuple(run for run in trunk.runs if run.run_id in known)
        if finished_runs:
            done += Trunk(runs=finished_runs).own_steps() * per_step[width]
    runs_total = len(plan.runs())
    finished = sum(run.run_id in known for run in plan.runs())
    ended = 0
    while ended < len(workers):
        message = ""
        dead = any(w.exitcode not in (None, 0) for w in workers)
        try:
            # What a dead worker had sent is still received, whatever the others send.
            kind, value = results.get(timeout=PROGRESS_SECONDS / 2 if dead else 1.0)
        except queue.Empty:
            if dead:
                raise EnvironmentProblem(
                    "a worker process died while training (out of memory?)",
                    hint="Free some memory and run the same command again: it continues.",
                ) from None
            continue
        if kind == "steps":
            width, steps = value
            done += steps * per_step[width]
        elif kind == "row":
            on_row(value)
            finished += 1
            message = f"{value['name']}: " + (
                f"loss {value['loss']:.4f}" if value["status"] == "ok" else value["reason"]
            )
        elif kind == "end":
            ended += 1
        elif kind == "error":
            name, text, hint = value
            import isoloss.errors

            raise getattr(isoloss.errors, name)(text, hint=hint)
        else:
            raise RuntimeError(f"a worker failed:\n{value}")
        on_progress(
            LadderProgress(
                flops_done=min(done, total),
                flops_total=total,
                runs_done=finished,
                runs_total=runs_total,
                message=message,
            )
        )
