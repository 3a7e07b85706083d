"""The generation settings of the harness in our words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from isoloss.errors import UsageError
from isoloss.tasks.generation import GenerationSettings

DEFAULT_TOKENS = 256
"""What the harness's own model class generates at most, where a task says nothing."""

_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
_PENALTIES = ("repetition_penalty", "presence_penalty", "length_penalty")
_FILTERS = ("top_p", "min_p")
_OTHERS = ("until", "do_sample", "temperature", "top_k", "num_beams")
_KNOWN = {*_LENGTHS, *_PENALTIES, *_FILTERS, *_OTHERS}


def settings_of(given: Mapping[str, Any], *, seed: int = 0) -> GenerationSettings:
    """How a request of the harness wants its text.

    As there, nothing is sampled unless `do_sample` or a temperature above 0 says so, and
    `do_sample: false` overrules a temperature. Empty stop texts are left out.

    Raises:
        UsageError: a setting that isoloss lacks, or one out of range.

    >>> settings_of({"until": "\\n", "do_sample": False, "temperature": 0.7}).greedy
    True
    """
    unknown = [name for name, value in given.items() if name not in _KNOWN and value is not None]
    if unknown:
        raise UsageError(
            f"the task sets {unknown[0]!r} for its texts, which isoloss has not",
            hint=f"It has {', '.join(sorted(_KNOWN))}.",
        )
    values = {name: value for name, value in given.items() if value is not None}
    length = next((values[name] for name in _LENGTHS if name in values), DEFAULT_TOKENS)
    temperature = float(values.get("temperature", 0.0))
    sampled = bool(values.get("do_sample", temperature > 0))
    until = values.get("until", ())
    top_k = int(values.get("top_k", 0))
    kept = (*_PENALTIES, *_FILTERS) if sampled else _PENALTIES
    chosen = {name: float(values[name]) for name in kept if name in values}
    return GenerationSettings(
        max_tokens=int(length),
        temperature=(temperature or 1.0) if sampled else 0.0,
        top_k=top_k if sampled and top_k > 0 else None,
        beams=int(values.get("num_beams", 1)),
        stop=tuple(stop for stop in ([until] if isinstance(until, str) else until) if stop),
        seed=seed,
        **chosen,
    )
