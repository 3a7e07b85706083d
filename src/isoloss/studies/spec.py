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
    """

    name: str = Field(min_length=1)
    data: list[str] = Field(default_factory=list)
    columns: dict[str, str] = Field(default_factory=dict)
    limit: int = Field(default=200, ge=2, le=100_000)
    options: dict[str, Any] = Field(default_factory=dict)


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
    ) -> StudySpec:
        """The same spec with what the command line chose."""
        values = self.model_dump()
        if minutes is not None:
            values["minutes"] = float(minutes)
        if sources:
            values["corpus"]["sources"] = [str(source) for source in sources]
        if text_field is not None:
            values["corpus"]["text_field"] = text_field
        if noise_seeds is not None:
            values["ladder"]["noise_seeds"] = noise_seeds
        if objective is not None:
            values["objective"] = objective
        if family is not None:
            values["model"]["family"] = family
        if device is not None:
            values["ladder"]["device"] = device
        if design:
            values["ladder"]["design"] = True
        if fields is not None:
            values["corpus"]["fields"] = list(fields)
        if task is not None and (self.task is None or self.task.name != task):
            values["task"] = TaskSpec(name=task).model_dump()
        if task_data:
            if values["task"] is None:
                raise UsageError("examples of no task", hint="Name it with --task.")
            values["task"]["data"] = [str(source) for source in task_data]
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
    moved = [
        source if source == "stdlib" else str((path.parent / source).resolve())
        for source in spec.corpus.sources
    ]
    examples = [] if spec.task is None else spec.task.data
    return spec.with_choices(
        sources=moved, task_data=[_beside(path, example) for example in examples]
    )


def _beside(path: Path, source: str) -> str:
    """A file named in a spec, from the spec's folder; names on the hub stay."""
    return source if source.startswith("hf://") else str((path.parent / source).resolve())


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

    known = set(StudySpec.model_fields)
    for model in (CorpusSpec, LadderSpec, RecipeSpec, PredictionSpec, TaskSpec):
        known |= set(model.model_fields)
    for item in error.errors():
        if item["type"] == "extra_forbidden":
            close = difflib.get_close_matches(str(item["loc"][-1]), known, n=1)
            if close:
                return f"Did you mean {close[0]!r}?"
    return ""
