"""What a corpus consists of and what was left out of it: as figures and as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from isoloss.corpus.selection import Cleaner, Selection, Spool

BAR = 40
"""Characters of the longest bar."""


def selection_facts(
    spool: Spool, selections: list[Selection], duplicates: int, cleaner: Cleaner
) -> dict[str, Any]:
    """Documents read, kept and dropped with the reasons, for the manifest."""
    parts = [selection.parts for selection in selections]
    removed = [selection.removed for selection in selections]
    kinds = {part.by for part in parts}
    documents = sum(part.documents for part in parts)
    return {
        "documents": documents,
        "documents_read": len(spool) + cleaner.blank + sum(cleaner.dropped.values()),
        "blank": cleaner.blank,
        "cleaned": cleaner.changed,
        "dropped": dict(sorted(cleaner.dropped.items())),
        "duplicates": duplicates,
        "beyond_max_bytes": len(spool) - duplicates - documents,
        "near_duplicates": {
            "border": sum(r.border for r in removed),
            "train": sum(r.train for r in removed),
            "validation": sum(r.validation for r in removed),
            "bytes": sum(r.n_bytes for r in removed),
        },
        "bytes": sum(part.n_bytes for part in parts),
        "split": kinds.pop() if len(kinds) == 1 else "files and blocks",
    }


def length_histogram(lengths: np.ndarray) -> list[dict[str, int]]:
    """Texts by their number of tokens, in classes that double.

    >>> length_histogram(np.array([1, 2, 3, 9]))
    [{'from': 1, 'below': 2, 'texts': 1}, {'from': 2, 'below': 4, 'texts': 2}, \
{'from': 4, 'below': 8, 'texts': 0}, {'from': 8, 'below': 16, 'texts': 1}]
    """
    classes = np.floor(np.log2(np.maximum(lengths, 1))).astype(np.int64)
    return [
        {"from": 2**c, "below": 2 ** (c + 1), "texts": int((classes == c).sum())}
        for c in range(int(classes.min()), int(classes.max()) + 1)
    ]


def report(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The manifest without what only a machine reads."""
    hidden = {"validation_starts", "token_bytes", "format", "token_type"}
    return {key: value for key, value in manifest.items() if key not in hidden}


def summary(manifest: Mapping[str, Any]) -> str:
    """A corpus in at most 80 columns."""
    settings = manifest["settings"]
    pieces = "documents" if manifest["split"] == "files" else "pieces"
    near = manifest["near_duplicates"]
    rows = [
        ("sources", ", ".join(manifest["sources"])),
        ("fingerprint", manifest["fingerprint"][:12]),
        ("documents", f"{manifest['documents']:,} of {manifest['documents_read']:,} read"),
        ("text", f"{manifest['bytes'] / 1e6:,.2f} MB, split by {manifest['split']}"),
        ("training", f"{manifest['train_tokens']:,} tokens"),
        ("validation", f"{manifest['validation_tokens']:,} tokens"),
        ("tokeniser", f"{settings['tokenizer']}, {manifest['vocab_size']:,} entries"),
        ("bytes per token", f"{manifest['bytes_per_token']:.3f}"),
        ("left out", f"{manifest['blank']:,} blank"),
        ("", f"{manifest['duplicates']:,} exact duplicates"),
        *_near_rows(settings["near_duplicates"], near, pieces),
        *[("", f"{n:,} by the filter {name}") for name, n in manifest["dropped"].items()],
        ("", f"{manifest['beyond_max_bytes']:,} beyond max_bytes"),
        ("repaired", f"{manifest['cleaned']:,} documents"),
    ]
    if abs(manifest["bytes_kept"] - 1) > 1e-9:
        rows.append(("", f"the tokens stand for {manifest['bytes_kept']:.2%} of the text's bytes"))
    lines = [f"{name:<16} {shortened(text)}" for name, text in rows]
    if manifest["domains"]:
        lines += ["", *_domain_lines(manifest["domains"])]
    return "\n".join([*lines, "", "tokens of a text", *_bars(manifest["lengths"])])


def _near_rows(
    threshold: float | None, near: Mapping[str, int], pieces: str
) -> list[tuple[str, str]]:
    if threshold is None:
        return [("", "near-duplicates were kept")]
    return [
        ("", f"{near['border']:,} training {pieces} like a validation one (from {threshold:g} on)"),
        ("", f"{near['train']:,} training {pieces} like a training one"),
        ("", f"{near['validation']:,} validation {pieces} like a validation one"),
    ]


def _domain_lines(domains: list[Mapping[str, Any]]) -> list[str]:
    lines = [f"{'domain':<16} {'weight':>7} {'documents':>10} {'training':>14} {'validation':>12}"]
    for domain in domains:
        train, validation = (domain[part][1] - domain[part][0] for part in ("train", "validation"))
        lines.append(
            f"{domain['name'][:16]:<16} {domain['weight']:>7.4f} {domain['documents']:>10,}"
            f" {train:>14,} {validation:>12,}"
        )
    return lines


def _bars(classes: list[Mapping[str, int]]) -> list[str]:
    most = max(c["texts"] for c in classes)
    return [
        f"{c['from']:>9,} to {c['below'] - 1:<10,} {c['texts']:>9,}"
        f" {'█' * round(BAR * c['texts'] / most)}".rstrip()
        for c in classes
    ]


def shortened(text: str) -> str:
    """What fits beside a label of 16 in 80 columns."""
    return text if len(text) <= 63 else text[:60] + "..."
