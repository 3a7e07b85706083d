"""`evaluate --store`: scores go into the row of the model's run."""

from __future__ import annotations

import textwrap
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.cli._answer import Answer, plain
from isoloss.errors import UsageError

if TYPE_CHECKING:
    from isoloss.cli._evaluation import Asked
    from isoloss.runs import RunStore
    from isoloss.runs.scores import Added


def recorded(asked: Asked, source: str) -> Answer:
    """Evaluate, and add the scores to a store.

    Args:
        asked: the words of the command.
        source: a store, made if missing, or the folder of a study.

    Raises:
        UsageError: texts or a baseline are scored, which no run made.
    """
    if asked.model is None or asked.predictions is not None or asked.baseline is not None:
        raise UsageError(
            "--store is for the scores of a model",
            hint="Save those of texts and baselines with -o RESULT.",
        )
    _try(source)  # before the model answers for minutes
    from isoloss.cli._evaluation import evaluated
    from isoloss.runs.scores import add_scores, scored_row

    answer = evaluated(asked)
    scores = scored_row(plain(answer.document), label="the result")
    run = _row_of(asked.model, scores)
    scores.setdefault("run_id", _id_of(asked.model))
    with _opened(source) as store:
        added = add_scores(store, scores, row=run)
    paths = {**answer.document.get("paths", {}), "store": source}
    document = {
        **answer.document,
        "recorded": {"run_id": added.run_id, "how": added.how, "columns": list(added.columns)},
        "paths": paths,
    }
    return replace(
        answer, document=document, text=f"{answer.text}\n\n{_told(added, source, run is not None)}"
    )


def _told(added: Added, source: str, of_run: bool) -> str:
    from isoloss.runs.scores import metrics_text

    if added.how == "unchanged":
        return f"{source}: the row of run {added.run_id} has these scores already."
    if added.how == "amended":
        what = f"the row of run {added.run_id}, which {source} has"
    elif of_run:
        what = f"{source}, with the row of run {added.run_id}"
    else:
        what = f"{source}, in a row of scores alone ({added.run_id})"
    text = f"Added to {what}: {metrics_text(added.columns)}"
    return textwrap.fill(  # a path stays whole, so that it can be copied
        text, 80, subsequent_indent="  ", break_on_hyphens=False, break_long_words=False
    )


def _try(source: str) -> None:
    """Fail early where the store cannot be used; one that is missing is made later."""
    if "://" in source or Path(source).exists():
        _opened(source).close()


def _opened(source: str) -> RunStore:
    from isoloss.cli._inputs import open_store
    from isoloss.runs import RunStore

    return open_store(source) if Path(source).is_dir() else RunStore.open(source, create=True)


def _row_of(model: str, scores: dict[str, Any]) -> dict[str, Any] | None:
    """The row that the model's own folder keeps of its run; None where it keeps none."""
    from isoloss.cli._inputs import model_folder
    from isoloss.training import read_folder

    if "run_id" not in scores:
        return None
    row = (read_folder(model_folder(model)) or {}).get("row")
    return row if isinstance(row, dict) else None


def _id_of(model: str) -> str:
    """An id for a model that no run of isoloss made: the same for the same place."""
    from isoloss._files import sha256_text

    place = model if model.startswith("hf://") else str(Path(model).resolve())
    return f"model-{sha256_text(place)[:16]}"
