"""A corpus of pairs as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.corpus.summary import shortened


def summary(manifest: Mapping[str, Any]) -> str:
    """At most 80 columns."""
    settings = manifest["settings"]
    source, target = manifest["bytes_per_token"]
    near = settings["near_duplicates"]
    parts = f"{manifest['train_pairs']:,} training, {manifest['validation_pairs']:,} validation"
    nearly = "near-duplicates were kept"
    if near is not None:
        nearly = f"{manifest['border_near']:,} nearly like a validation pair (from {near:g} on)"
    rows = [
        ("sources", ", ".join(manifest["sources"])),
        ("fields", " → ".join(settings["fields"])),
        ("attribution", manifest["attribution"]),
        ("fingerprint", manifest["fingerprint"][:12]),
        ("pairs", f"{parts}, of {manifest['pairs_read']:,} read"),
        ("tokens", f"{manifest['source_tokens']:,} source, {manifest['target_tokens']:,} target"),
        ("bytes per token", f"{source:.3f} source, {target:.3f} target"),
        ("tokeniser", f"{settings['tokenizer']}, {manifest['vocab_size']:,} entries"),
        ("left out", f"{manifest['duplicates']:,} exact duplicates"),
        ("", f"{manifest['border_exact']:,} with the target of a validation pair"),
        ("", nearly),
        ("", f"{manifest['too_long']:,} too long"),
        *[("", f"further targets of {n:,} rows") for n in [manifest.get("several_targets")] if n],
        *[("", f"{n:,} by the filter {name}") for name, n in manifest["dropped"].items()],
    ]
    return "\n".join(f"{name:<16} {shortened(text)}" for name, text in rows if text)
