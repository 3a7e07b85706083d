"""The counts of a shape as a document and as text, beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from isoloss.architecture.config import TransformerConfig
from isoloss.architecture.counts import (
    FLOPS_CONVENTIONS,
    ParameterCounts,
    count_parameters,
    training_flops,
)
from isoloss.architecture.families import config_for_width, options_from_text
from isoloss.architecture.preset_catalogue import Preset, preset, preset_aliases, presets
from isoloss.errors import UsageError

_COMPONENTS = tuple(
    f.name
    for f in fields(ParameterCounts)
    if f.name not in ("head_matmul", "idle_experts", "tied", "embedding", "head")
)
_CONVENTIONS = {
    "params_total": "everything, tied weights once",
    "params_active": "what one token uses",
    "params_non_embedding": "without embeddings and head",
    "params_matmul": "weights that multiply activations, head included",
}


def count_document(config: TransformerConfig, known: Preset | None = None) -> dict[str, Any]:
    """Counts of a shape by component and by convention, with what is published of it.

    Components add up to `params_total`. FLOP are those of training, per token of full rows; with
    the head computed at every position (of the decoder, where there are two sides).
    """
    counts = count_parameters(config)
    return {
        "name": known.name if known else None,
        "title": known.title if known else None,
        "architecture": config.to_dict(),
        "components": _components(counts),
        "tied_embeddings": counts.tied,
        "params_total": counts.total,
        "params_active": counts.active,
        "params_non_embedding": counts.non_embedding,
        "params_matmul": counts.matmul,
        "head_share": counts.head_share,
        "flops_per_token": {name: training_flops(config, 1, name) for name in FLOPS_CONVENTIONS},
        "published": _published(known) if known else None,
    }


def _components(counts: ParameterCounts) -> dict[str, int]:
    """Parts that are there; a tied head counts with the embedding."""
    head = counts.head - (counts.embedding if counts.tied else 0)
    parts = {"embedding": counts.embedding}
    parts |= {name: getattr(counts, name) for name in _COMPONENTS}
    parts["head"] = head
    return {name: value for name, value in parts.items() if value}


def _published(known: Preset) -> dict[str, Any]:
    active = known.active_difference
    return {
        "params_total": known.published,
        "params_active": known.published_active,
        "params_exact": known.exact,
        "difference_percent": 100 * known.difference,
        "active_difference_percent": None if active is None else 100 * active,
        "reason": known.reason,
        "missing": known.missing,
        "missing_what": known.missing_what if known.missing else "",
        "source": known.source,
    }


def count_text(document: dict[str, Any]) -> str:
    """A `count_document` for people, 80 columns wide but for what is quoted."""
    total = document["params_total"]
    lines = [_shape_line(document), "", "Parameters by component"]
    for name, value in document["components"].items():
        lines.append(f"  {_spoken(name):<22}{value:>20,}  {100 * value / total:5.1f}%")
    if document["tied_embeddings"]:
        lines.append("  (the head's matrix is the embedding)")
    lines += ["", "Parameters by convention"]
    for name, meaning in _CONVENTIONS.items():
        if name != "params_active" or document[name] != total:
            lines.append(f"  {name:<22}{document[name]:>20,}  {meaning}")
    lines += ["", "Training FLOP per token (forward and backward, full rows)"]
    lines += [f"  {name:<22}{value:>20.4g}" for name, value in document["flops_per_token"].items()]
    if document["published"]:
        lines += ["", *_published_lines(document)]
    return "\n".join(lines)


def _shape_line(document: dict[str, Any]) -> str:
    shape = document["architecture"]
    kind = shape.get("kind", "decoder").replace("_", "-")
    layers = f"{shape['n_layer']} layers"
    if "n_encoder_layer" in shape:
        layers = f"{shape['n_encoder_layer']} + {layers}"
    name = f"{document['name']}: " if document["name"] else ""
    return (
        f"{name}{kind}, {layers}, width {shape['d_model']:,}, {shape['n_head']} heads,"
        f" vocabulary {shape['vocab_size']:,}, context {shape['context_length']:,}"
    )


def _published_lines(document: dict[str, Any]) -> list[str]:
    said = document["published"]
    total = document["params_total"]
    lines = [
        "Published",
        _beside("total", said["params_total"], said["difference_percent"]),
    ]
    if said["params_active"]:
        lines.append(_beside("active", said["params_active"], said["active_difference_percent"]))
    if said["params_exact"]:
        apart = total - said["params_exact"]
        lines.append(f"  {'public weights':<22}{said['params_exact']:>20,}  counted {apart:+,}")
    if said["missing"]:
        lines.append(f"  not counted: {said['missing']:,} of {said['missing_what']}")
    if said["reason"]:
        lines.append(f"  why: {said['reason']}")
    lines.append(f"  source: {said['source']}")
    return lines


def _beside(what: str, published: float, percent: float) -> str:
    return f"  {what:<22}{published:>20,.0f}  counted {percent:+.2f}%"


def _spoken(name: str) -> str:
    return name.replace("_", " ")


def list_document() -> dict[str, Any]:
    """Every public model that is known, with its count and its published size."""
    return {
        "models": [
            {
                "name": known.name,
                "title": known.title,
                "params_total": known.counted,
                "published": known.published,
                "difference_percent": 100 * known.difference,
                "source": known.source,
            }
            for known in presets()
        ],
        "aliases": preset_aliases(),
    }


def list_text(document: dict[str, Any]) -> str:
    """A `list_document` for people."""
    lines = [f"{'name':<19}{'counted':>18}{'published':>18}{'difference':>12}"]
    title = ""
    for row in document["models"]:
        if row["title"] != title:
            title = row["title"]
            lines.append(f"{title}")
        lines.append(
            f"  {row['name']:<17}{row['params_total']:>18,}{row['published']:>18,.0f}"
            f"{row['difference_percent']:>+11.2f}%"
        )
    short = ", ".join(f"{key} = {name}" for key, name in document["aliases"].items())
    return "\n".join([*lines, "", f"Short names: {short}."])


def named_or_shaped(
    name: str | None,
    d_model: int | None,
    *,
    family: str,
    vocab_size: int,
    context_length: int,
    n_layer: int | None,
    options: Mapping[str, str],
) -> tuple[TransformerConfig, Preset | None]:
    """The shape of a public model, or of a family's member of a width with options as text.

    Raises:
        UsageError: neither or both are given, or an option or its value is wrong.
    """
    if (name is None) == (d_model is None):
        raise UsageError(
            "expected either the name of a public model or --d-model",
            hint="`isoloss model list` shows the names; --set OPTION=VALUE sets other options.",
        )
    chosen = options_from_text(options)
    if name is not None:
        if chosen:
            raise UsageError("--set goes with --d-model; a public model is counted as it is")
        known = preset(name)
        return known.config, known
    assert d_model is not None
    twice = {"d_model", "family"} & chosen.keys()
    if twice:
        option = twice.pop()
        raise UsageError(f"{option} has an option of its own", hint=f"--{option.replace('_', '-')}")
    depth = chosen.pop("n_layer", n_layer)
    sizes = {"vocab_size": vocab_size, "context_length": context_length, **chosen}
    return config_for_width(d_model, n_layer=depth, family=family, **sizes), None
