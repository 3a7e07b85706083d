"""What each column of the run table means, in one sentence: for the published schema."""

from __future__ import annotations

COLUMN_TEXT: dict[str, str] = {
    "run_id": "Name of the run, unique in its table; made from the row's content where empty.",
    "name": "Name for people.",
    "group": "Arm or experiment that the run belongs to.",
    "parent_id": "Trunk or run that this one branches from: runs that share it are not"
    " independent.",
    "seed": "Seed of initial weights and data order.",
    "params_total": "N: all trained parameters, tied weights once.",
    "params_non_embedding": "N without token and position embeddings and without the output head;"
    " norms and biases included.",
    "params_matmul": "N: weights that multiply activations, the output head once whether tied or"
    " not, without norms and biases.",
    "params_active": "N that one token uses, of a mixture of experts.",
    "n_layer": "Blocks.",
    "d_model": "Width of the residual stream.",
    "n_head": "Attention heads for queries.",
    "d_ff": "Hidden width of the feed-forward part.",
    "vocab_size": "Entries of the vocabulary.",
    "context_length": "Tokens of a training row.",
    "tokens": "D: training tokens seen, without padding, repeated ones each time.",
    "unique_tokens": "U: different training tokens among them.",
    "steps": "Optimiser steps.",
    "batch_tokens": "Tokens of one step, over all devices and accumulated parts.",
    "learning_rate": "Peak learning rate.",
    "schedule": "How the learning rate moves, e.g. cosine, linear, constant or wsd:50:0.2"
    " (warm-up steps, share of the decay).",
    "optimizer": "Optimiser.",
    "flops": "C: training FLOP, forward and backward.",
    "flops_convention": "How C is counted: 6nd_total, 6nd_non_embedding, matmul, palm or reported.",
    "own_flops": "C without the trunk that the run shares with others.",
    "loss": "Held-out loss at the end of training, in loss_unit.",
    "loss_se": "Standard error of the evaluation.",
    "loss_unit": "Unit of loss: nats_per_token where empty; bits_per_byte and others.",
    "bits_per_byte": "The loss in bits per byte of text: comparable between tokenisers.",
    "dataset": "Training text: a name or a fingerprint.",
    "tokenizer": "Tokeniser.",
    "architecture": "Family of the model.",
    "objective": "What is predicted, e.g. causal or masked.",
    "status": "Empty or ok for a finished run; otherwise what became of it, e.g. diverged.",
    "reason": "Why the row is left out of fits; empty where it is not.",
    "source": "Program, file or address that the row came from.",
    "source_row": "Which row of the source it was.",
    "created_at": "When the run ended, ISO 8601.",
}
