"""What every target is written from: a shape, a recipe and how they are cut over devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from isoloss.architecture import TransformerConfig, count_parameters
from isoloss.errors import DataError, UsageError
from isoloss.planning.hardware import Degrees
from isoloss.planning.recipe import PlanRecipe, rebatched, recipe_for
from isoloss.planning.rounding import concrete_architecture

SINGLE_DEVICE = "the plan names no parallel layout, so this is for one device"


class Value(Protocol):
    """A figure of a plan."""

    @property
    def value(self) -> float: ...


class ExportablePlan(Protocol):
    """What the export needs of a plan; `isoloss.planning.Plan` has it."""

    @property
    def architecture(self) -> TransformerConfig: ...
    @property
    def n(self) -> Value: ...
    @property
    def d(self) -> Value: ...
    @property
    def n_convention(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def flops(self) -> float: ...
    @property
    def hardware(self) -> Mapping[str, Any] | None: ...
    @property
    def recipe(self) -> PlanRecipe | None: ...


@dataclass(frozen=True, kw_only=True)
class Job:
    """One run to start.

    Attributes:
        config: the shape.
        recipe: how to train it.
        degrees: parallel degrees; those of one device where the plan names none.
        rows: sequences of one micro-batch.
        asked: N that the plan asks for, in `n_convention`.
        title: one line on the plan.
        notes: what was changed on the way here.
    """

    config: TransformerConfig
    recipe: PlanRecipe
    degrees: Degrees
    rows: int
    asked: float
    n_convention: str
    title: str
    notes: tuple[str, ...]

    @property
    def accumulation(self) -> int:
        """Micro-batches of a step on each replica."""
        return self.recipe.batch_sequences // (self.rows * self.degrees.data)


def parameters_by_convention(config: TransformerConfig) -> dict[str, int]:
    """Exact N under every convention."""
    counts = count_parameters(config)
    return {
        "params_total": counts.total,
        "params_non_embedding": counts.non_embedding,
        "params_matmul": counts.matmul,
    }


def job_of(plan: ExportablePlan, *, family: str | None = None) -> Job:
    """The run of a plan.

    Args:
        plan: a plan; its recipe and the layout of its hardware are used where it has them.
        family: reshape the plan's N into this family of `isoloss.architecture.FAMILIES`.

    Raises:
        UsageError: no such family, or no shape of it that the layout divides.
        DataError: the plan's layout is damaged.
    """
    degrees, rows, notes = _layout(plan.hardware)
    config, recipe = plan.architecture, plan.recipe
    if family is not None:
        config = _reshaped(plan, family, degrees)
        recipe = None
        notes.append(
            f"the plan's N in another shape, of the family {family}, with a recipe made for it"
        )
    if recipe is None:
        recipe = recipe_for(config, plan.d.value)
    shared = _shared(recipe, rows * degrees.data)
    if shared.batch_tokens != recipe.batch_tokens:
        notes.append(
            f"the batch is {shared.batch_tokens:,} tokens instead of {recipe.batch_tokens:,}, so"
            f" that {degrees.data} replicas share it evenly in micro-batches of {rows}"
        )
    return Job(
        config=config,
        recipe=shared,
        degrees=degrees,
        rows=rows,
        asked=plan.n.value,
        n_convention=plan.n_convention,
        # One line, whatever a plan from outside holds: it stands in a comment of a script.
        title=f"{plan.flops:.4g} FLOP, planned from {' '.join(plan.source.split())}",
        notes=tuple(notes),
    )


def _layout(hardware: Mapping[str, Any] | None) -> tuple[Degrees, int, list[str]]:
    """Degrees and micro-batch of a plan's hardware, or those of one device."""
    layout = (hardware or {}).get("layout")
    if not layout:
        return Degrees(), 1, [SINGLE_DEVICE]
    try:
        found = layout["degrees"]
        names = ("data", "tensor", "pipeline", "context", "zero")
        degrees = Degrees(**{name: int(found[name]) for name in names if name in found})
        rows = int(layout.get("rows", 1))
        if degrees.devices < 1 or rows < 1:
            raise ValueError(f"{degrees.devices} devices, {rows} rows")
    except (KeyError, TypeError, ValueError, UsageError) as error:
        raise DataError(
            f"the plan's parallel layout is damaged ({error!r})",
            hint="Make the plan anew with `isoloss plan … -o PLAN`.",
        ) from error
    if layout.get("fits") is False:
        return degrees, rows, ["the plan's layout does not fit the memory of its devices"]
    return degrees, rows, []


def _reshaped(plan: ExportablePlan, family: str, degrees: Degrees) -> TransformerConfig:
    old = plan.architecture
    return concrete_architecture(
        plan.n.value,
        vocab_size=old.vocab_size,
        context_length=old.context_length,
        n_convention=plan.n_convention,
        family=family,
        tensor_parallel=degrees.tensor,
        pipeline_parallel=degrees.pipeline,
        count=1,
    )[0].config


def _shared(recipe: PlanRecipe, ranks: int) -> PlanRecipe:
    """The recipe with a batch that so many sequences divide."""
    if recipe.batch_sequences % ranks == 0:
        return recipe
    sequences = max(1, round(recipe.batch_sequences / ranks)) * ranks
    return rebatched(recipe, sequences, f"rounded to multiples of {ranks} sequences")
