"""A plan as `config.json` and training arguments of Hugging Face transformers."""

from __future__ import annotations

from typing import Any

from isoloss.architecture import TransformerConfig
from isoloss.architecture.hub_configs import hub_family
from isoloss.errors import UsageError
from isoloss.planning.export.gpt import OTHER_FAMILY
from isoloss.planning.export.job import Job, parameters_by_convention
from isoloss.planning.export.names import check_names, known_names


def hub_config(config: TransformerConfig) -> dict[str, Any]:
    """The content of `config.json`.

    Raises:
        UsageError: no model of transformers computes what this shape does.
    """
    try:
        family = hub_family(config)
    except UsageError as error:
        raise UsageError(error.message, hint=f"{error.hint} {OTHER_FAMILY}") from error
    values = family.values(config)
    # Which tokens are special is the tokeniser's to say; some families presume numbers for them.
    return {**values, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}


def hub_parameters(config: TransformerConfig) -> dict[str, int]:
    """N of the model that transformers makes of it, under every convention."""
    counts, more = hub_family(config).counted(config)
    return {
        "params_total": counts.total + sum(more.values()),
        "params_non_embedding": counts.non_embedding,
        "params_matmul": counts.matmul,
    }


def hub_differences(config: TransformerConfig) -> list[str]:
    """Where the model of transformers has other weights than the plan's shape, in words."""
    family = hub_family(config)
    ours = parameters_by_convention(config)
    _, more = family.counted(config)
    found: list[str] = []
    for name, value in family.always.items():
        if getattr(config, name) != value:
            found.append(f"{name}={getattr(config, name)!r} becomes {value!r}")
    found += [f"{count:,} weights of {name} come on top" for name, count in more.items() if count]
    theirs = hub_parameters(config)
    apart = theirs["params_total"] - ours["params_total"]
    if apart:
        found.append(
            f"so params_total is {theirs['params_total']:,} there, {apart:+,}"
            f" ({apart / ours['params_total']:+.2%}) from the plan's shape"
        )
    return found


def hub_training_arguments(job: Job) -> dict[str, Any]:
    """Fields of `transformers.TrainingArguments`."""
    r = job.recipe
    schedule: dict[str, Any] = {
        "lr_scheduler_type": "cosine_with_min_lr",
        "lr_scheduler_kwargs": {"min_lr": r.final_learning_rate},
    }
    if r.schedule == "wsd":
        schedule = {
            "lr_scheduler_type": "warmup_stable_decay",
            "lr_scheduler_kwargs": {
                "num_decay_steps": r.decay_steps,
                "decay_type": "linear",
                "min_lr_ratio": r.final_fraction,
            },
        }
    arguments = {
        "output_dir": "checkpoints",
        "max_steps": r.steps,
        "per_device_train_batch_size": job.rows,
        "gradient_accumulation_steps": job.accumulation,
        "learning_rate": r.learning_rate,
        "warmup_steps": r.warmup_steps,
        **schedule,
        "optim": "adamw_torch",
        "weight_decay": r.weight_decay,
        "adam_beta1": r.betas[0],
        "adam_beta2": r.betas[1],
        "adam_epsilon": r.eps,
        "max_grad_norm": r.clip_norm,
        "bf16": True,
        "save_strategy": "steps",
        "save_steps": r.save_interval,
        "logging_steps": 10,
    }
    check_names("TrainingArguments", arguments, known_names()["transformers"]["arguments"])
    return arguments


def hub_notes(job: Job) -> list[str]:
    """What the files do not say as the plan does."""
    notes = hub_differences(job.config)
    notes.append(
        f"first values are those of transformers, not initialisation={job.config.initialisation!r}"
    )
    d = job.degrees
    if d.devices > d.data:
        notes.append(
            f"tensor, pipeline and context parallelism ({d.tensor}, {d.pipeline}, {d.context})"
            " are not among TrainingArguments; use accelerate, or export for another trainer"
        )
    if d.zero:
        notes.append(f"ZeRO stage {d.zero} is set up with accelerate (FSDP or DeepSpeed)")
    if job.config.dropout and not job.config.kind.startswith("encoder"):
        notes.append("dropout of the residual stream is only in GPT-2 there")
    notes.append(
        f"the batch of {job.recipe.batch_sequences:,} sequences holds for {d.data} data-parallel"
        f" device{'s' if d.data > 1 else ''}; with others change gradient_accumulation_steps"
    )
    return notes
