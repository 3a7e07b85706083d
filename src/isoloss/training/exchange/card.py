"""The model card (`README.md`) of an exported model: a few lines of facts."""

from __future__ import annotations

from typing import Any

from isoloss.architecture import TransformerConfig, count_parameters

_TASKS = {
    "decoder": "text-generation",
    "encoder": "fill-mask",
    "encoder_decoder": "text2text-generation",
}
_FACTS = (
    ("objective", "objective", "{}"),
    ("training tokens", "tokens", "{:,.0f}"),
    ("steps", "steps", "{:,.0f}"),
    ("training FLOP", "flops", "{:.3g}"),
    ("held-out loss", "loss", "{:.4f}"),
    ("bits per byte", "bits_per_byte", "{:.4f}"),
    ("corpus", "dataset", "{}"),
)


def model_card(
    config: TransformerConfig, *, architecture: str, auto_class: str, weights: int, known: Any
) -> str:
    """Front matter and text.

    Args:
        config: our shape.
        architecture: the class that was written.
        auto_class: the class of `transformers` that loads it.
        weights: numbers in `model.safetensors`.
        known: the content of `run.json`.
    """
    counts = count_parameters(config)
    lines = [
        "---",
        "library_name: transformers",
        f"pipeline_tag: {_TASKS[config.kind]}",
        "tags: [isoloss]",
        "---",
        "",
        f"# {known['run_id']}",
        "",
        f"A Transformer language model ({config.kind.replace('_', '-')}) trained by isoloss and"
        f" written as `{architecture}`.",
        "",
        f"* shape: {_shape(config)}",
        f"* parameters: {counts.total:,} in all, {counts.non_embedding:,} without embeddings and"
        f" head; {weights:,} numbers in `model.safetensors`",
        *_training(known.get("row")),
    ]
    if weights > counts.total and architecture.startswith("NanoChat"):
        lines.append(
            "* heads are wider here than in the trained model, by copies and zeros, because"
            " NanoChat has no temperature for each head; the model computes the same"
        )
    lines += [
        "",
        "```python",
        f"from transformers import {auto_class}, AutoTokenizer",
        "",
        f'model = {auto_class}.from_pretrained("FOLDER")',
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
        "```",
    ]
    return "\n".join(lines) + "\n"


def _shape(config: TransformerConfig) -> str:
    layers = f"{config.n_layer} layers"
    if config.n_encoder_layer:
        layers = f"{config.n_encoder_layer} + {layers}"
    return (
        f"{layers}, width {config.d_model}, {config.n_head} heads, feed-forward {config.d_ff},"
        f" vocabulary {config.vocab_size:,}, context {config.context_length:,}"
    )


def _training(row: Any) -> list[str]:
    """What the row of the run says of it."""
    if not isinstance(row, dict):
        return []
    return [
        f"* {label}: {form.format(row[key])}"
        for label, key, form in _FACTS
        if row.get(key) is not None
    ]
