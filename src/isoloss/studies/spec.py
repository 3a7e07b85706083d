"""A study as data: TOML → a checked, frozen spec."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from isoloss.errors import DataError, NotFoundError, UsageError

BUILT_IN = ("laptop",)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class CorpusSpec(_Frozen):
    """What text, and how it becomes tokens; `fields` names source and target of pairs."""

    sources: list[str] = Field(default=["stdlib"], min_length=1)
    text_field: str = "text"
    fields: list[str] | None = Field(default=None, min_length=2, max_length=2)
    vocab_size: int = Field(default=1024, ge=257, le=65_536)
    max_bytes: int = Field(default=64_000_000, ge=1)


class ModelSpec(_Frozen):
    """Which family of models; None takes isoloss's own of the objective's kind.

    `options` are fields of `TransformerConfig` over the family's.
    """

    family: str | None = None
    n_layer: int | None = Field(default=None, ge=1, le=1000)
    options: dict[str, Any] = Field(default_factory=dict)


class LadderSpec(_Frozen):
    """Which runs and where; `max_epochs` is how often they may go through the text.

    With `design`, most of the runs are chosen for what they take off the prediction's uncertainty.
    """

    size: Literal["auto", "smoke", "tiny", "short", "standard", "long", "large"] = "auto"
    context_length: int = Field(default=128, ge=8)
    seed: int = Field(default=0, ge=0)
    noise_seeds: int = Field(default=3, ge=1, le=20)
    eval_tokens: int = Field(default=65_536, ge=128)
    workers: int = Field(default=2, ge=1, le=64)
    verify_threads: int = Field(default=1, ge=1, le=64)
    max_epochs: float = Field(default=1.0, gt=0, le=1000)
    design: bool = False
    device: str = Field(default="cpu", pattern=r"^(auto|cpu|cuda(:\d+)?)$")


class RecipeSpec(_Frozen):
    """What may be changed of the recipe (`isoloss.training.Recipe`); None takes its default.

    `precision = "auto"` times both on this machine, once for the whole study.
    """

    batch_tokens: int | None = Field(default=None, ge=1)
    warmup_steps: int | None = Field(default=None, ge=1)
    decay_fraction: float | None = Field(default=None, gt=0, le=1)
    base_learning_rate: float | None = Field(default=None, gt=0)
    matrix_learning_rate: float | None = Field(default=None, gt=0)
    optimizer: Literal["muon", "adamw"] | None = None
    parameterization: Literal["inverse_width", "standard", "mup"] | None = None
    schedule: Literal["wsd", "cosine", "linear", "constant"] | None = None
    weight_decay: float | None = Field(default=None, ge=0)
    precision: Literal["float32", "bfloat16", "auto"] | None = None
    compile: bool | None = None


class TaskSpec(_Frozen):
    """What every run is scored on, beside its loss; `isoloss evaluate --list` shows the tasks.

    Without `data` the corpus's own held-out pairs are taken. `columns` are the task's name →
    theirs; `limit` is how many examples every run is scored on; `options` are those of the task.
    `check_on` are folders of finished studies of the same task: the law of the score is tried on
    their runs. `tuning_steps` is how long each model is tuned before it is scored, where a task
    needs that. Programs that models write are run only with `allow_code_execution`.
    """

    name: str = Field(min_length=1)
    data: list[str] = Field(default_factory=list)
    columns: dict[str, str] = Field(default_factory=dict)
    limit: int = Field(default=200, ge=2, le=100_000)
    options: dict[str, Any] = Field(default_factory=dict)
    check_on: list[str] = Field(default_factory=list)
    tuning_steps: int = Field(default=200, ge=1, le=100_000)
    allow_code_execution: bool = False


class PredictionSpec(_Frozen):
    """How the prediction is stated."""

    level: float = Field(default=0.9, gt=0, lt=1)


class StudySpec(_Frozen):
    """A whole study; no objective means the one that suits the family, or the pairs."""

    name: str = Field(default="laptop", min_length=1, max_length=80)
    minutes: float = Field(default=6.0, gt=0, le=10_000)
    objective: str | dict[str, Any] | None = None
    corpus: CorpusSpec = CorpusSpec()
    model: ModelSpec = ModelSpec()
    ladder: LadderSpec = LadderSpec()
    recipe: RecipeSpec = RecipeSpec()
    prediction: PredictionSpec = PredictionSpec()
    task: TaskSpec | None = None

    def with_choices(
        self,
        *,
        minutes: float | None = None,
        sources: Sequence[str | Path] = (),
        text_field: str | None = None,
        noise_seeds: int | None = None,
        objective: str | None = None,
        family: str | None = None,
        fields: Sequence[str] | None = None,
        device: str | None = None,
        design: bool = False,
        task: str | None = None,
        task_data: Sequence[str | Path] = (),
        allow_code_execution: bool = False,
    ) -> StudySpec:
        """The same spec with what the command line chose."""
        values = self.model_dump()
        chosen = {
            "minutes": None if minutes is None else float(minutes),
            "objective": objective,
            "corpus.sources": [str(source) for source in sources] or None,
            "corpus.text_field": text_field,
            "corpus.fields": None if fields is None else list(fields),
            "model.family": family,
            "ladder.noise_seeds": noise_seeds,
            "ladder.device": device,
            "ladder.design": design or None,
        }
        for place, value in chosen.items():
            table, _, name = place.rpartition(".")
            if value is not None:
                (values[table] if table else values)[name] = value
        if task is not None and (self.task is None or self.task.name != task):
            values["task"] = TaskSpec(name=task).model_dump()
        if task_data:
            if values["task"] is None:
                raise UsageError("examples of no task", hint="Name it with --task.")
            values["task"]["data"] = [str(source) for source in task_data]
        if allow_code_execution:
            if values["task"] is None:
                raise UsageError("a study without a task runs no code", hint="Name it with --task.")
            values["task"]["allow_code_execution"] = True
        return parse_spec(values, "the command line")


def load_spec(name_or_path: str | Path) -> StudySpec:
    """A built-in spec by name, or one from a `.toml` file.

    Relative sources are taken from the folder of the file.

    Raises:
        NotFoundError: neither a built-in name nor a file.
        DataError: not TOML.
        UsageError: an unknown key or a wrong type, with the key's place.
    """
    path = Path(name_or_path)
    if str(name_or_path) in BUILT_IN:
        text = (
            resources.files("isoloss.studies").joinpath(f"{name_or_path}.toml").read_text("utf-8")
        )
        return parse_spec(tomllib.loads(text), f"the built-in spec {name_or_path}")
    if not path.is_file():
        raise NotFoundError(
            f"{name_or_path}: no such spec",
            hint=f"Give a .toml file, or a built-in study: {', '.join(BUILT_IN)}.",
        )
    try:
        values = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path}: not TOML: {error}", hint="See the syntax at its place."
        ) from error
    spec = parse_spec(values, str(path))
    if spec.task is not None:
        others = [str((path.parent / other).resolve()) for other in spec.task.check_on]
        task = spec.task.model_copy(update={"check_on": others})
        spec = spec.model_copy(update={"task": task})
    return spec.with_choices(
        sources=settled(spec.corpus.sources, path.parent),
        task_data=settled([] if spec.task is None else spec.task.data, path.parent),
    )


def settled(sources: Sequence[str | Path], folder: Path) -> list[str]:
    """Sources under names that mean the same from every folder: paths are taken from `folder`.

    Names of data sets on the hub, and `stdlib` where no file is called so, stay.
    """
    from isoloss.corpus.reading.hub import SCHEME, is_hub

    found: list[str] = []
    for source in map(str, sources):
        path = folder / source
        if is_hub(source):  # as text again, where a `Path` has lost a slash
            found.append(f"hf://{source.removeprefix(SCHEME).removeprefix('/')}")
        elif source == "stdlib" and not path.exists():
            found.append(source)
        else:
            found.append(str(path.resolve()))
    return found


def parse_spec(values: Mapping[str, Any], origin: str) -> StudySpec:
    """Check plain values.

    Raises:
        UsageError: each wrong key with what was expected and found, and a close name.
    """
    try:
        return StudySpec.model_validate(values, strict=True)
    except ValidationError as error:
        problems = [_problem(item) for item in error.errors()]
        raise UsageError(
            f"{origin}: " + "; ".join(problems), hint=_close_keys(error) or "Correct the spec."
        ) from error


def _problem(item: Any) -> str:
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        return f"unknown key {place!r}"
    return f"{place}: {item['msg'][0].lower()}{item['msg'][1:]}, found {item['input']!r}"


def _close_keys(error: ValidationError) -> str:
    """Suggestions for unknown keys."""
    import difflib

    known = {name for model in _Frozen.__subclasses__() for name in model.model_fields}
    for item in error.errors():
        if item["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
            if close:
                return f"Did you mean {close[0]!r}?"
    return ""
