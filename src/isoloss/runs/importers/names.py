"""What our columns are called elsewhere: the names that an import guesses from."""

from __future__ import annotations

import re

NAMES: dict[str, tuple[str, ...]] = {
    "name": ("run_name", "model_name", "model", "display_name", "experiment_name"),
    "seed": ("random_seed", "manual_seed"),
    "params_total": (
        "params",
        "param_count",
        "parameters",
        "parameter_count",
        "n_params",
        "n_parameters",
        "num_params",
        "num_parameters",
        "number_of_parameters",
        "total_params",
        "total_parameters",
        "model_size",
        "model_params",
        "n",
    ),
    "params_matmul": (),
    "params_non_embedding": (
        "non_embedding_params",
        "non_embedding_parameters",
        "n_params_non_embedding",
        "num_non_embedding_params",
        "num_non_embedding_parameters",
        "non_embed_params",
        "params_no_embedding",
        "params_no_embed",
        "params_non_embed",
    ),
    "params_active": (
        "active_params",
        "active_parameters",
        "num_active_params",
        "num_active_parameters",
        "n_active_params",
    ),
    "n_layer": ("n_layers", "num_layers", "num_hidden_layers", "layers", "depth"),
    "d_model": ("n_embd", "hidden_size", "model_dim", "d_embed", "embed_dim", "width"),
    "n_head": ("n_heads", "num_heads", "num_attention_heads", "heads"),
    "d_ff": ("ffn_hidden_size", "intermediate_size", "ffn_dim", "n_inner", "mlp_hidden_size"),
    "vocab_size": ("padded_vocab_size", "n_vocab", "vocabulary_size"),
    "context_length": (
        "seq_length",
        "seq_len",
        "sequence_length",
        "sequence_len",
        "max_seq_len",
        "max_seq_length",
        "max_sequence_length",
        "block_size",
    ),
    "tokens": (
        "train_tokens",
        "training_tokens",
        "n_tokens",
        "num_tokens",
        "tokens_seen",
        "tokens_trained",
        "train_tokens_seen",
        "consumed_tokens",
        "total_tokens",
        "throughput_total_tokens",
        "num_input_tokens_seen",
        "d",
    ),
    "flops": (
        "flop",
        "train_flops",
        "train_flop",
        "training_flops",
        "training_flop",
        "training_compute",
        "total_flops",
        "total_flos",
        "total_training_flops",
        "compute",
        "c",
    ),
    "steps": (
        "step",
        "n_steps",
        "num_steps",
        "train_steps",
        "training_steps",
        "total_steps",
        "global_step",
        "iterations",
        "iters",
        "num_iterations",
    ),
    "batch_tokens": (
        "batch_size_tokens",
        "batch_size_in_tokens",
        "global_batch_tokens",
        "tokens_per_batch",
        "tokens_per_step",
        "tokens_per_iter",
        "tokens_per_iteration",
        "total_batch_size",
    ),
    "learning_rate": ("lr", "peak_lr", "max_lr", "base_lr", "peak_learning_rate"),
    "schedule": ("lr_schedule", "lr_scheduler", "lr_scheduler_type", "lr_decay_style", "scheduler"),
    "optimizer": ("optim", "optimizer_name", "optimizer_type"),
    "loss_unit": (),
    "bits_per_byte": ("bpb", "val_bpb", "eval_bpb", "validation_bpb"),
    "dataset": ("dataset_name", "train_data", "training_data", "corpus"),
    "tokenizer": ("tokenizer_name", "tokenizer_type"),
    "unique_tokens": ("num_unique_tokens", "n_unique_tokens", "d_unique"),
    "flops_convention": (),
}
"""Normalised names (`normal`) of a column elsewhere; its own name is always one."""

NEEDED = ("loss", "params_total", "tokens", "flops")
"""Where a guess decides a fit: more than one candidate is refused."""

CONVENTION_UNSAID = "the source does not say which weights it counts: taken as all of them"
"""Why a guess of `params_total` may be wrong."""

EVAL_LOSSES = (
    "eval_loss",
    "eval_lm_loss",
    "val_loss",
    "valid_loss",
    "validation_loss",
    "lm_loss_validation",
    "loss_validation",
    "loss_val",
    "loss_eval",
    "heldout_loss",
    "test_loss",
    "final_loss",
)
TRAIN_LOSSES = (
    "loss",
    "train_loss",
    "training_loss",
    "lm_loss",
    "train_lm_loss",
    "final_train_loss",
    "train_crossentropyloss",
    "train_ce_loss",
    "ce_loss",
)

_HELD_OUT = frozenset(
    {"eval", "val", "valid", "validation", "dev", "test", "heldout", "evaluation"}
)
_LOSS = re.compile(r"(^|_)(loss|nll|crossentropyloss|crossentropy|cross_entropy|ce_loss)(_|$)")


def normal(name: str) -> str:
    """A name in lower case, with one underscore for whatever is no letter or digit.

    >>> normal("Model Size"), normal("eval/loss"), normal("lm loss validation")
    ('model_size', 'eval_loss', 'lm_loss_validation')
    """
    return re.sub(r"[^0-9a-z]+", "_", name.lower()).strip("_")


def is_held_out_loss(name: str) -> bool:
    """Whether a metric is a loss on text that was not trained on, by its name.

    >>> is_held_out_loss("eval/c4_en-validation/CrossEntropyLoss"), is_held_out_loss("train/loss")
    (True, False)
    """
    text = normal(name)
    return bool(_HELD_OUT & set(text.split("_")) and _LOSS.search(text))


def is_loss(name: str) -> bool:
    """Whether a metric is a loss of any kind, by its name."""
    return normal(name) in TRAIN_LOSSES or is_held_out_loss(name)


def is_evaluation(name: str) -> bool:
    """Whether a metric was measured on held-out data, by its name."""
    text = normal(name)
    return bool(_HELD_OUT & set(text.split("_"))) or text in ("core_metric",)
