"""The measuring steps of a study: corpus, plan, ladder, verification run. Needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from isoloss._clock import now
from isoloss._files import write_json_atomic
from isoloss.errors import DataError
from isoloss.ladders import (
    SIZES,
    SMOKE,
    LadderPlan,
    LadderProgress,
    LadderSize,
    Speed,
    probe_speed,
    resolve_plan,
    rung_table,
    size_named,
    train_ladder,
)
from isoloss.runs import RunStore
from isoloss.studies.designing import (
    candidate_plan,
    candidate_size,
    chosen_plan,
    first_part,
    own_flops,
)
from isoloss.studies.folder import StudyFolder
from isoloss.studies.inference import LEAST_RUNS
from isoloss.studies.progress import Progress
from isoloss.studies.spec import StudySpec
from isoloss.training import Recipe, train_run
from isoloss.training.aims import Aim, resolve_aim
from isoloss.training.devices import resolve_device
from isoloss.training.objectives.windows import AnyCorpus
from isoloss.training.probing import probe_modes

if TYPE_CHECKING:
    from isoloss.studies.task_scores import StudyScorer

Say = Callable[[str], None]
PLAN_FORMAT = "isoloss-plan-1"


def aim_of(spec: StudySpec) -> Aim:
    """What the study's models are trained for.

    Raises:
        UsageError: no such objective or family, or they do not belong together.
    """
    fields = spec.corpus.fields
    return resolve_aim(
        spec.objective,
        family=spec.model.family,
        fields=(fields[0], fields[1]) if fields else None,
        n_layer=spec.model.n_layer,
        options=spec.model.options,
    )


def prepare(folder: StudyFolder, spec: StudySpec, say: Say) -> AnyCorpus:
    """The study's corpus: opened where it is there, prepared where it is not."""
    aim = aim_of(spec)
    return aim.prepare(
        spec.corpus.sources,
        folder.corpus,
        vocab_size=spec.corpus.vocab_size,
        context_length=spec.ladder.context_length,
        text_field=spec.corpus.text_field,
        on_progress=lambda line: say(f"corpus: {line}"),
        **({} if spec.corpus.fields else {"max_bytes": spec.corpus.max_bytes}),
    )


def settle_study_task(folder: StudyFolder, spec: StudySpec, corpus: AnyCorpus, say: Say) -> None:
    """The task of the study, if it has one, with its examples; tried before the plan is made."""
    if spec.task is None:
        folder.task.unlink(missing_ok=True)
        return
    from isoloss.studies.task_checks import other_studies
    from isoloss.studies.task_scores import settle_task

    if not folder.results.exists():  # mistakes come first
        other_studies(spec.task.check_on, folder.root, spec.task.name)
    shape = aim_of(spec).shape(
        min(SMOKE.widths), vocab_size=corpus.vocab_size, context_length=spec.ladder.context_length
    )
    task = settle_task(folder, spec.task, shape, corpus, level=spec.prediction.level)
    say(
        f"task: {task['name']}, {len(task['examples'])} examples; scoring an untrained model of"
        f" width {shape.d_model} took {task['seconds']:.0f} s"
    )
    for note in task["notes"]:
        say(f"task: {note}")


def _scorer(folder: StudyFolder) -> StudyScorer | None:
    """What scores the runs of a study; None where it has no task."""
    if not folder.task.exists():
        return None
    from isoloss.studies.task_scores import StudyScorer

    # Of the spec, which is the user's own; a task.json could come from anywhere.
    allowed = folder.read_as(folder.spec, lambda spec: spec["task"].get("allow_code_execution"))
    return StudyScorer(folder.task, allow_code_execution=allowed is True)


def _scoring_seconds(folder: StudyFolder) -> float:
    """How long scoring one model took; the narrowest one, untrained, which writes on to the end."""
    if not folder.task.exists():
        return 0.0
    return folder.read_as(folder.task, lambda task: float(task["seconds"]))


def _ladder_scoring(plan: LadderPlan, each: float) -> float:
    """Expected seconds of scoring: the ladder's runs spread over the workers, then the last."""
    return each * (len(plan.runs()) / plan.workers + 1)


def settle_plan(
    folder: StudyFolder, spec: StudySpec, corpus: AnyCorpus, say: Say
) -> tuple[LadderPlan, dict[str, Any]]:
    """The resolved plan: read where it is saved, else chosen for this machine and saved.

    Returns:
        The plan, and the saved document with its table of rungs.
    """
    if folder.plan.exists():
        document, plan = folder.read_as(folder.plan, _read_plan)
        if plan.verification.corpus_fingerprint != corpus.fingerprint:
            raise DataError(
                f"{folder.plan}: the plan is for another corpus"
                f" ({plan.verification.corpus_fingerprint[:12]}, found {corpus.fingerprint[:12]})",
                hint="The corpus in this folder was changed; begin anew with another --out.",
            )
        return plan, document
    recipe = _recipe(spec, corpus, say)
    settled_at = now()
    if spec.ladder.size == SMOKE.name:  # seconds: timing the machine would take as long
        size, warnings = SMOKE, list[str]()
        plan = _settled(SMOKE, spec, corpus, recipe)
        each, expected = [None] * (len(plan.trunks) + 1), None
    else:
        _resolve(_sizes(spec, corpus, recipe)[0], spec, corpus, recipe)  # mistakes come first
        say("plan: timing this machine")
        speed = probe_speed(
            recipe,
            corpus,
            context_length=spec.ladder.context_length,
            aim=aim_of(spec),
            device=resolve_device(spec.ladder.device),
        )
        one = _scoring_seconds(folder)
        size, warnings = choose_size(spec, corpus, recipe, speed, scoring=one)
        plan = _settled(size, spec, corpus, recipe)
        scoring = _ladder_scoring(plan, one)
        each, expected = speed.plan_seconds(plan), speed.wall_seconds(plan) + scoring
        if scoring:
            say(f"plan: about {scoring / 60:.1f} min of the expected time are for the scores")
    document = {
        "format": PLAN_FORMAT,
        "settled_at": settled_at,
        "plan": plan.to_dict(),
        "rungs": rung_table(plan, each),
        "expected_seconds": expected,
        "warnings": [*warnings, *_repetition(plan, corpus)],
    }
    if spec.ladder.design:
        wide = candidate_plan(plan, _resolve(candidate_size(size), spec, corpus, recipe))
        document["design"] = {"budget": own_flops(plan.trunks), "chosen": None}
        plan, document = wide, document | _untimed(wide)
    write_json_atomic(folder.plan, document)
    return plan, document


def settle_design(
    folder: StudyFolder,
    spec: StudySpec,
    plan: LadderPlan,
    document: dict[str, Any],
    corpus: AnyCorpus,
    store: RunStore,
    say: Say,
) -> tuple[LadderPlan, dict[str, Any]]:
    """Train the first part of a ladder by design, choose the rest, and save that as the plan.

    Nothing is done where runs are not chosen by design, or where they were chosen already.
    """
    record = document.get("design")
    if record is None or record["chosen"] is not None:
        return plan, document
    first = first_part(plan)
    others = len(plan.runs()) - len(first.runs())
    say(f"design: the narrowest widths first; the other {others} runs are candidates")
    climb(folder, first, corpus, store)
    rows = [store.get(run.run_id) for run in first.runs()]
    chosen, told = chosen_plan(
        plan, record["budget"], rows, least=LEAST_RUNS, seed=spec.ladder.seed
    )
    document = {**document, **_untimed(chosen), "design": {**record, "chosen": told}}
    write_json_atomic(folder.plan, document)
    error = f", ±{told[-1]['expected_standard_error']:.2%} expected" if told else ""
    say(f"design: {len(chosen.runs()) - len(first.runs())} of them chosen{error}")
    return chosen, document


def _untimed(plan: LadderPlan) -> dict[str, Any]:
    """A plan and its table of rungs, without times."""
    each = [None] * (len(plan.trunks) + 1)
    return {"plan": plan.to_dict(), "rungs": rung_table(plan, each)}


def _recipe(spec: StudySpec, corpus: AnyCorpus, say: Say) -> Recipe:
    """The recipe of the spec; a precision that is left open is settled by timing this machine."""
    chosen = spec.recipe.model_dump(exclude_none=True)
    if chosen.get("precision") != "auto":
        return Recipe(**chosen)
    recipe = Recipe(**{**chosen, "precision": "float32"})
    shape = aim_of(spec).shape(
        max(size.verify_width for size in SIZES),
        vocab_size=corpus.vocab_size,
        context_length=spec.ladder.context_length,
    )
    timings = probe_modes(shape, recipe, device=resolve_device(spec.ladder.device))
    say("plan: precision\n" + timings.summary())
    return replace(recipe, precision=timings.recipe.precision)


def _repetition(plan: LadderPlan, corpus: AnyCorpus) -> list[str]:
    """A warning where runs see their text more than once."""
    most = max(run.tokens for run in [*plan.runs(), plan.verification])
    epochs = most / corpus.train_tokens
    if epochs <= 1:
        return []
    return [
        f"runs see their text up to {epochs:.1f} times: the law counts repeated tokens as new"
        " ones, and plans that need more text than there is are too hopeful"
    ]


def _read_plan(document: Any) -> tuple[dict[str, Any], LadderPlan]:
    """A saved plan with all that is read of it; the errors are those of wrong JSON."""
    if document["format"] != PLAN_FORMAT:
        raise ValueError(f"plan format {document['format']!r} is unknown")
    missing = {"plan", "rungs", "expected_seconds", "warnings"} - document.keys()
    if "design" in document:
        missing |= {"budget", "chosen"} - document["design"].keys()
    if missing:
        raise ValueError(f"no {', '.join(sorted(missing))}")
    return document, LadderPlan.from_dict(document["plan"])


def _sizes(spec: StudySpec, corpus: AnyCorpus, recipe: Recipe) -> list[LadderSize]:
    """The sizes that may be chosen: the one of the spec, or all for which there is enough text.

    Raises:
        DataError: the text is too small for the smallest size.
    """
    if spec.ladder.size != "auto":
        return [size_named(spec.ladder.size)]
    allowed = corpus.train_tokens * spec.ladder.max_epochs
    enough = [s for s in SIZES if s.verify_steps() * recipe.batch_tokens <= allowed]
    if not enough:
        needed = min(s.verify_steps() for s in SIZES) * recipe.batch_tokens
        raise DataError(
            f"the corpus has {corpus.train_tokens:,} training tokens; the smallest ladder with"
            f" its verification run needs {needed:,}",
            hint="Give more text: --corpus may be repeated; or let runs see it more than once:"
            " ladder.max_epochs in a spec.",
        )
    return enough


def choose_size(
    spec: StudySpec, corpus: AnyCorpus, recipe: Recipe, speed: Speed, *, scoring: float = 0.0
) -> tuple[LadderSize, list[str]]:
    """The largest fixed size that fits the time and the text, with what to warn of.

    `scoring` is how many seconds it takes to score one model on the study's task.

    Raises:
        DataError: the text is too small for the smallest size.
    """
    enough = _sizes(spec, corpus, recipe)
    if spec.ladder.size != "auto":
        return enough[0], []
    plans = {s.name: _resolve(s, spec, corpus, recipe) for s in enough}
    # A size of too few runs is passed over, unless there is no other.
    enough = [s for s in enough if len(plans[s.name].runs()) >= LEAST_RUNS] or enough
    seconds = {
        name: speed.wall_seconds(plan) + _ladder_scoring(plan, scoring)
        for name, plan in plans.items()
    }
    fitting = [s for s in enough if seconds[s.name] <= spec.minutes * 60]
    chosen = fitting[-1] if fitting else enough[0]
    warnings: list[str] = []
    if not fitting:
        warnings.append(
            f"the smallest ladder takes about {seconds[chosen.name] / 60:.0f} min here,"
            f" {spec.minutes:g} were asked for"
        )
    elif chosen is enough[-1] and chosen is not SIZES[-1]:
        warnings.append(
            f"the ladder is {chosen.name!r} because the text has {corpus.train_tokens:,} training"
            " tokens; more text would allow a larger one"
        )
    return chosen, warnings


def _resolve(size: LadderSize, spec: StudySpec, corpus: AnyCorpus, recipe: Recipe) -> LadderPlan:
    return resolve_plan(
        size,
        recipe=recipe,
        vocab_size=corpus.vocab_size,
        context_length=spec.ladder.context_length,
        unique_tokens=corpus.train_tokens,
        corpus_fingerprint=corpus.fingerprint,
        eval_tokens=spec.ladder.eval_tokens,
        aim=aim_of(spec),
        max_epochs=spec.ladder.max_epochs,
        seed=spec.ladder.seed,
        noise_seeds=spec.ladder.noise_seeds,
        workers=spec.ladder.workers,
        verify_threads=spec.ladder.verify_threads,
        device=resolve_device(spec.ladder.device),
    )


def _settled(size: LadderSize, spec: StudySpec, corpus: AnyCorpus, recipe: Recipe) -> LadderPlan:
    """The plan of a size that was chosen.

    Raises:
        DataError: too few runs to predict from: better said now than after training them.
    """
    plan = _resolve(size, spec, corpus, recipe)
    if len(plan.runs()) < LEAST_RUNS:
        raise DataError(
            f"the {size.name!r} ladder has {len(plan.runs())} runs on this corpus of"
            f" {corpus.train_tokens:,} training tokens; {LEAST_RUNS} are needed for a prediction",
            hint="Choose a larger ladder.size, give more text, or more --seeds.",
        )
    return plan


def climb(folder: StudyFolder, plan: LadderPlan, corpus: AnyCorpus, store: RunStore) -> None:
    """Train every run of the ladder that the store does not hold; rows land as they finish."""
    known = {run.run_id for run in plan.runs() if store.has(run.run_id)}
    if len(known) == len(plan.runs()):
        return
    with Progress("ladder") as progress:

        def on_row(row: dict[str, Any]) -> None:
            store.add_run(row)

        def on_progress(news: LadderProgress) -> None:
            if news.message:
                progress.say(f"  {news.runs_done:>3}/{news.runs_total}  {news.message}")
            progress.at(news.flops_done / news.flops_total if news.flops_total else 1.0)

        train_ladder(
            plan,
            corpus.path,
            folder.trunks,
            known=known,
            on_row=on_row,
            on_progress=on_progress,
            score=_scorer(folder),
        )


def verify(folder: StudyFolder, plan: LadderPlan, corpus: AnyCorpus, store: RunStore) -> None:
    """Train the verification run, unless the store holds it."""
    run = plan.verification
    if store.has(run.run_id):
        return
    with Progress("verification run") as progress:
        row = train_run(
            run,
            corpus,
            folder.model,
            checkpoint_every=max(20, min(250, run.steps // 8)),
            on_step=lambda step, _: progress.at(step / run.steps),
        )
    score = _scorer(folder)
    if score is not None and row["status"] == "ok":
        row = {**row, **score.of_folder(folder.model, corpus, run)}
    store.add_run(row)
