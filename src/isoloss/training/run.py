"""One run from a resolved config to a row of the run table, resumable at any moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from isoloss.errors import UsageError
from isoloss.training._folder import close_folder, open_folder
from isoloss.training.devices import resolve_device
from isoloss.training.evaluation import Evaluation, evaluate
from isoloss.training.guards import Diverged
from isoloss.training.keeping import PlainStates, Scorer, States
from isoloss.training.log_writers import check_writers, open_writers
from isoloss.training.rows import costs, describe, diverged, outcome
from isoloss.training.run_config import (
    AnyCorpus,
    RunConfig,
    check_corpus,
    corpus_batches,
    held_out,
)
from isoloss.training.run_log import RunLog, evaluation_line, open_log, read_log, step_line
from isoloss.training.schedules import branch_schedule
from isoloss.training.state import Step, TrainingState

__all__ = [
    "Progress",
    "RunConfig",
    "check_corpus",
    "corpus_batches",
    "costs",
    "describe",
    "diverged",
    "evaluate_on",
    "finish_branch",
    "train_run",
]

BEST = "best.safetensors"
"""The state with the best score so far, while a run with a `Scorer` trains."""
STEPS_PER_LOOK = 10
"""Steps between two looks at the clock, where wall time may end a run."""


class Progress(Protocol):
    """Called after each step with the steps done and the training loss."""

    def __call__(self, step: int, loss: float, /) -> None: ...


def evaluate_on(corpus: AnyCorpus, state: TrainingState, config: RunConfig) -> Evaluation:
    """Held-out loss of a training state on the fixed evaluation set of its run."""
    return evaluate(state.model, held_out(config, corpus))


def finish_branch(
    state: TrainingState,
    config: RunConfig,
    corpus: AnyCorpus,
    *,
    first: int = 0,
    started: float,
    until: Callable[[], None],
    on_evaluation: Callable[[Evaluation], None] | None = None,
) -> dict[str, Any]:
    """Run `until()` (which trains to the end), evaluate, and return the row of the run table.

    A run that diverges gets `status="diverged"`, an empty loss and the reason. What is not
    known is None.

    Args:
        state: where the run stands.
        config: the run.
        corpus: its tokens.
        first: steps that a shared trunk made for it.
        started: `time.monotonic()` when the run began.
        until: trains to the end.
        on_evaluation: told the final evaluation.
    """
    try:
        until()
        evaluation = evaluate_on(corpus, state, config)
        if on_evaluation is not None:
            on_evaluation(evaluation)
        if not math.isfinite(evaluation.loss):
            raise Diverged(state.step, evaluation.loss)
        steps, came_out = state.step, outcome(evaluation)
    except Diverged as error:
        steps, came_out = config.steps, diverged(error)
    return {
        **describe(config, corpus, steps=steps),
        "meta_skipped_steps": state.guard.skipped,
        **came_out,
        **costs(config, corpus, first=first, steps=steps, started=started),
    }


def train_run(
    config: RunConfig,
    corpus: AnyCorpus,
    folder: Path,
    *,
    checkpoint_every: int = 250,
    evaluate_every: int | None = None,
    logs: Sequence[str] = (),
    on_step: Progress | None = None,
    states: States | None = None,
    scorer: Scorer | None = None,
) -> dict[str, Any]:
    """Train one run from the start (or from its last checkpoint in `folder`) and keep the model.

    `folder` receives `run.json` (config, and the row at the end), `tokenizer.json`,
    `checkpoint.safetensors` (weights, moments, step) and `log.jsonl` (every step and evaluation):
    all that `isoloss generate` reads, so the folder can be moved. A finished run is not trained
    again.

    Args:
        config: the run.
        corpus: its tokens.
        folder: where it is kept.
        checkpoint_every: steps between checkpoints.
        evaluate_every: steps between evaluations for the log; at the end only when None. A run
            with patience evaluates as its `Stop` says.
        logs: other logs, of `tensorboard`, `wandb`, `trackio`.
        on_step: told the steps done and the training loss.
        states: where the run starts and how it is kept; from first weights when None.
        scorer: scores it while it trains; the best state is then the one that is kept.

    Returns:
        The row of the run table.

    Raises:
        UsageError: the folder holds another run, or a setting is not positive.
        DataError: `corpus` is not the run's, or the checkpoint is damaged.
        EnvironmentProblem: out of memory, no such device, or a package is missing.
    """
    started = time.monotonic()
    check_every(checkpoint_every=checkpoint_every, evaluate_every=evaluate_every)
    check_writers(logs)
    check_corpus(config, corpus)
    device = resolve_device(config.device)
    finished = open_folder(folder, config, corpus)
    if finished is not None:
        return finished
    states = states or PlainStates(config=config)
    kept = folder / states.file
    state = states.load(kept, device) if kept.exists() else states.start(device)
    before = read_log(folder) if scorer is not None and state.step else []
    writers = open_writers(logs, folder, config.run_id, state.step)
    with _threads(config.threads), open_log(folder, state.step, writers) as log:
        session = _Session(
            state=state,
            config=config,
            corpus=corpus,
            log=log,
            checkpoint=kept,
            checkpoint_every=checkpoint_every,
            evaluate_every=_evaluations(config, evaluate_every),
            started=started,
            on_step=on_step,
            states=states,
            scorer=scorer,
            scores=[x for x in before if x["kind"] == "score" and x["step"] <= state.step],
        )
        row = finish_branch(
            state,
            config,
            corpus,
            started=started,
            until=session.run,
            on_evaluation=session.note,
        )
        if row["status"] == "ok":
            rule = session.ended_by() or "task score"  # which goes back to its best state
            row |= _ended_early(rule, state.step, session.reached, config) | session.scored()
            row |= states.finish(state, folder)
    close_folder(folder, config, corpus, row)
    (folder / BEST).unlink(missing_ok=True)
    return row


def check_every(**steps: int | None) -> None:
    """Refuse numbers of steps that are not positive."""
    for name, value in steps.items():
        if value is not None and value < 1:
            raise UsageError(f"{name} must be positive, found {value}")


def _evaluations(config: RunConfig, asked: int | None) -> int | None:
    stop = config.stop
    return stop.evaluate_every if stop is not None and stop.patience is not None else asked


@dataclass(frozen=True, kw_only=True)
class _Session:
    """The part of `train_run` that trains: steps between evaluations and checkpoints."""

    state: TrainingState
    config: RunConfig
    corpus: AnyCorpus
    log: RunLog
    checkpoint: Path
    checkpoint_every: int
    evaluate_every: int | None
    started: float
    on_step: Progress | None
    states: States
    scorer: Scorer | None = None
    scores: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def run(self) -> None:
        """Train to the end. What happens at a step is logged before its checkpoint is written."""
        state, steps = self.state, self.config.steps
        schedule = branch_schedule(self.config.recipe, steps)
        batches = corpus_batches(self.corpus, self.config)
        while state.step < steps and not self.ended_by():
            state.advance(
                self._next_mark(),
                schedule,
                batches,
                self.on_step,
                loss=self.config.objective.loss,
                on_outcome=self._log_step,
            )
            if self.evaluate_every and state.step % self.evaluate_every == 0:
                self.note(evaluate_on(self.corpus, state, self.config))
            self._score()
            done = state.step == steps or bool(self.ended_by())
            if done or state.step % self.checkpoint_every == 0:
                state.save(self.checkpoint)
        self._take_best()

    def _score(self) -> None:
        """Score the state where it is time, and keep it where it is the best so far.

        The best state is written before its line: a line of the log never lacks its state.
        """
        scorer, step = self.scorer, self.state.step
        if scorer is None or not scorer.every or (step % scorer.every and step < self.config.steps):
            return
        if self.scores and self.scores[-1]["step"] == step:
            return
        line = scorer.line(self.state)
        if scorer.best([*self.scores, line]) == step:
            self.state.save(self.checkpoint.with_name(BEST))
        self.scores.append(line)
        self.log.write(line)

    def _take_best(self) -> None:
        """Go back to the state with the best score."""
        best = None if self.scorer is None else self.scorer.best(self.scores)
        if best is None or best == self.state.step:
            return
        device = str(next(self.state.model.parameters()).device)
        found = self.states.load(self.checkpoint.with_name(BEST), device)
        self.state.model, self.state.optimizer = found.model, found.optimizer
        self.state.step, self.state.guard = found.step, found.guard
        self.state.save(self.checkpoint)

    def scored(self) -> dict[str, Any]:
        """Columns of a run that was scored."""
        if self.scorer is None:
            return {}
        told = self.scorer.finish(self.state)
        if self.scores:
            told["meta_best_step"] = self.state.step
            told["meta_last_score_step"] = self.scores[-1]["step"]
        return told

    @property
    def reached(self) -> int:
        """The step that training came to, whichever state was kept."""
        return max([self.state.step, *(int(line["step"]) for line in self.scores)])

    def _next_mark(self) -> int:
        """The next step at which something is done besides training."""
        scored = None if self.scorer is None else self.scorer.every
        every = [self.checkpoint_every, self.evaluate_every, scored]
        if self.config.stop is not None and self.config.stop.seconds is not None:
            every.append(STEPS_PER_LOOK)
        step = self.state.step
        return min([self.config.steps, *((step // n + 1) * n for n in every if n)])

    def _log_step(self, step: Step) -> None:
        self.log.write(step_line(step))

    def note(self, evaluation: Evaluation) -> None:
        """Log an evaluation, once for each step."""
        if not self.log.has_evaluation(self.state.step):
            self.log.write(evaluation_line(self.state.step, evaluation))

    def ended_by(self) -> str:
        """The rule that ends the run before its steps are done; empty while none does."""
        if self.scorer is not None and self.scorer.converged(self.scores):
            return "task score"
        stop = self.config.stop
        if stop is None:
            return ""
        every = self.evaluate_every or 1
        counted = [e for e in self.log.evaluations if e["step"] % every == 0]
        losses = [math.inf if e["loss"] is None else e["loss"] for e in counted]
        if stop.converged(losses):
            return "convergence"
        late = stop.seconds is not None and time.monotonic() - self.started > stop.seconds
        return "wall time" if late else ""


def _ended_early(rule: str, step: int, reached: int, config: RunConfig) -> dict[str, Any]:
    """Columns of a run whose state is not that of its last step.

    A rule ended it, or it came to its end (`reached`) and went back to its best state.
    """
    if not rule or step >= config.steps:
        return {}
    told: dict[str, Any] = {"meta_stopped_by": rule}
    if config.recipe.schedule == "constant":
        return told
    schedule = f"before its {config.recipe.schedule} schedule ended"
    if reached == config.steps:
        reason = f"the state of step {step:,} of {config.steps:,} has the best score and is kept,"
    else:
        reason = f"stopped by {rule} after {reached:,} of {config.steps:,} steps,"
        if step < reached:
            reason += f" the state of step {step:,} kept,"
    return {**told, "status": "stopped", "reason": f"{reason} {schedule}"}


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch's threads while a run trains: the run's id names their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
