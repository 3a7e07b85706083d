"""Serving a model: latency, throughput, memory and money by a roofline."""

from __future__ import annotations

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from isoloss.architecture import TransformerConfig
from isoloss.errors import UsageError
from isoloss.planning.hardware import _decoding
from isoloss.planning.hardware._page import page
from isoloss.planning.hardware.choice import HardwareChoice
from isoloss.planning.hardware.memory import cache_bytes_per_token, weight_bytes
from isoloss.planning.hardware.ranges import Range, frame_of

if TYPE_CHECKING:
    from pandas import DataFrame

RESERVED = 0.10
"""Share of the memory kept for activations, buffers and gaps, as servers usually set it."""
_HOUR = 3600.0
_RANGES = (
    "first_token_seconds", "token_seconds", "request_seconds", "tokens_per_second",
    "money_per_million_input", "money_per_million_output",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Serving:
    """What serving one batch shape takes, on the devices of one replica.

    Ranges run from the best to the worst of the roofline's efficiencies and the price.

    Attributes:
        fits: whether weights and key-value cache fit; if not, `reasons` say what is missing.
        batch, prompt, output: rows at once; tokens read, and tokens written, for each row.
        weight_bits, cache_bits: bits of a weight of the blocks, and of a key or value.
        devices_per_replica, replicas: devices that share one copy; copies on all devices.
        weight_bytes, cache_bytes: of one replica; the cache with every row at its longest.
        memory_bytes: that a replica may use.
        max_batch: most rows of that length that fit one replica.
        first_token_seconds: reading one row's prompt.
        token_seconds: one decoding step of the whole batch, half of the output written.
        request_seconds: from the prompt to the last token of one row, without waiting.
        tokens_per_second: written by all replicas together; reading prompts takes its time.
        money_per_million_input: US dollars for reading a million tokens.
        money_per_million_output: US dollars for writing a million tokens, reading not included:
            a request costs both.
        bound: what takes longest in a decoding step: `memory`, `compute` or `exchange`.
        reasons, assumptions: sentences.
    """

    fits: bool
    batch: int
    prompt: int
    output: int
    weight_bits: int
    cache_bits: int
    devices_per_replica: int
    replicas: int
    weight_bytes: float
    cache_bytes: float
    memory_bytes: float
    max_batch: int
    first_token_seconds: Range
    token_seconds: Range
    request_seconds: Range
    tokens_per_second: Range
    money_per_million_input: Range
    money_per_million_output: Range
    bound: str
    reasons: tuple[str, ...]
    assumptions: tuple[str, ...]

    def summary(self) -> str:
        """The figures in text, at most 80 columns wide."""
        needed = (self.weight_bytes + self.cache_bytes) / 1e9
        rows = [
            ("Load", f"{self.batch:,} at once, {self.prompt:,} tokens read and "
             f"{self.output:,} written for each"),
            ("Replica", f"{self.devices_per_replica} devices, {self.replicas:,} replicas; "
             f"weights of {self.weight_bits} bits"),
            ("Memory", f"{needed:.3g} of {self.memory_bytes / 1e9:.3g} GB (weights "
             f"{self.weight_bytes / 1e9:.3g}, cache {self.cache_bytes / 1e9:.3g}); at most "
             f"{self.max_batch:,} rows"),
            ("Latency", f"first token {self.first_token_seconds} s, then {self.token_seconds} s "
             f"a token ({self.bound}-bound); {self.request_seconds} s a request"),
            ("Speed", f"{self.tokens_per_second.short()} written tokens/s on all devices"),
            ("Money", f"${self.money_per_million_input} a million tokens read, "
             f"${self.money_per_million_output} written"),
        ]  # fmt: skip
        title = "Serving" if self.fits else "Serving does not fit these devices"
        return page(title, rows, (*self.reasons, *self.assumptions))

    def to_dict(self) -> dict[str, Any]:
        """Plain dictionary, for JSON; `from_dict` reads it."""
        values: dict[str, Any] = dict(vars(self))
        values |= {name: values[name].to_dict() for name in _RANGES}
        return values | {name: list(values[name]) for name in ("reasons", "assumptions")}

    @classmethod
    def from_dict(cls, document: dict[str, Any]) -> Serving:
        """The figures that `to_dict` wrote."""
        values: dict[str, Any] = dict(document)
        values |= {name: Range.from_dict(values[name]) for name in _RANGES}
        values |= {name: tuple(values[name]) for name in ("reasons", "assumptions")}
        return cls(**values)

    def to_frame(self) -> DataFrame:
        """One row a quantity that has a range, as a pandas frame."""
        return frame_of({name: getattr(self, name) for name in _RANGES})

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.summary())}</pre>"

    def __repr__(self) -> str:
        return (
            f"Serving(fits={self.fits}, batch={self.batch}, {self.token_seconds} s a token, "
            f"${self.money_per_million_output} a million written tokens)"
        )


def serving_of(
    config: TransformerConfig,
    choice: HardwareChoice,
    *,
    batch: int = 1,
    prompt: int = 1024,
    output: int = 256,
    weight_bits: int = 16,
    cache_bits: int = 16,
    devices_per_replica: int | None = None,
) -> Serving:
    """Latency, throughput and money of serving a decoder or encoder-decoder.

    Args:
        config: the shape.
        choice: devices; its price is used, its training utilisation is not.
        batch: rows decoded at once on a replica.
        prompt, output: tokens of each row read and written.
        weight_bits: 16, 8 or 4; products are computed in the choice's dtype all the same.
        cache_bits: 16, 8 or 4.
        devices_per_replica: devices that share one copy by tensor parallelism; the fewest that
            hold weights and cache when None.

    Raises:
        UsageError: a size is no positive integer, rows exceed the context, bits are unknown,
            the devices cannot share the model so, or an encoder is to write.

    >>> from isoloss.architecture import preset
    >>> from isoloss.planning.hardware.choice import hardware_choice
    >>> one = serving_of(preset("llama-3-8b").config, hardware_choice("h100"))
    >>> one.bound, f"{one.token_seconds.value * 1000:.1f} ms"
    ('memory', '6.5 ms')
    """
    _check_load(config, batch=batch, prompt=prompt, output=output, cache_bits=cache_bits)
    size = {"weight_bits": weight_bits, "cache_bits": cache_bits}
    row = {"prompt": prompt, "output": output, **size}
    devices = devices_per_replica or _fewest(config, choice, batch=batch, **row)
    if devices not in _ways(config, choice):
        raise UsageError(
            f"{devices} devices cannot share the model",
            hint=f"Possible here: {', '.join(map(str, _ways(config, choice)))}.",
        )
    weights = weight_bytes(config, weight_bits)
    cache = batch * _row_bytes(config, devices, prompt, output, cache_bits)
    usable = _usable(choice, devices)
    read = _decoding.prefill(
        config, choice, prompt=prompt, devices=devices, weight_bits=weight_bits
    ).seconds
    step = _decoding.decode(
        config, choice, batch=batch, prompt=prompt, written=output / 2, devices=devices, **size
    )
    replicas = choice.count // devices
    round_seconds = read * batch + step.seconds * output
    hour = choice.hourly_cost * (devices / _HOUR * 1e6)
    return Serving(
        fits=weights + cache <= usable,
        batch=batch,
        prompt=prompt,
        output=output,
        weight_bits=weight_bits,
        cache_bits=cache_bits,
        devices_per_replica=devices,
        replicas=replicas,
        weight_bytes=weights,
        cache_bytes=cache,
        memory_bytes=usable,
        max_batch=max_batch(config, choice, devices_per_replica=devices, **row),
        first_token_seconds=read,
        token_seconds=step.seconds,
        request_seconds=read + step.seconds * output,
        tokens_per_second=Range.exactly(float(batch * output * replicas)) / round_seconds,
        money_per_million_input=read * hour / prompt,
        money_per_million_output=step.seconds * hour / batch,
        bound=step.bound,
        reasons=_missing(weights, cache, usable, devices, choice),
        assumptions=_assumptions(choice, weight_bits),
    )


def max_batch(
    config: TransformerConfig,
    choice: HardwareChoice,
    *,
    prompt: int,
    output: int = 0,
    weight_bits: int = 16,
    cache_bits: int = 16,
    devices_per_replica: int = 1,
) -> int:
    """Most rows whose keys and values fit beside the weights on one replica; 0 where none does.

    >>> from isoloss.architecture import preset
    >>> from isoloss.planning.hardware.choice import hardware_choice
    >>> max_batch(preset("llama-3-8b").config, hardware_choice("h100"), prompt=8192)
    52
    """
    free = _usable(choice, devices_per_replica) - weight_bytes(config, weight_bits)
    each = _row_bytes(config, devices_per_replica, prompt, output, cache_bits)
    return max(0, int(free // each))


def _check_load(
    config: TransformerConfig, *, batch: int, prompt: int, output: int, cache_bits: int
) -> None:
    if config.kind == "encoder":
        raise UsageError("an encoder writes no text, so there is nothing to serve here")
    for name, value in (("batch", batch), ("prompt", prompt), ("output", output)):
        if isinstance(value, bool) or value != int(value) or value < 1:
            raise UsageError(f"{name} must be a positive integer, found {value!r}")
    if cache_bits not in (16, 8, 4):
        raise UsageError(f"keys and values are kept in 16, 8 or 4 bits, not {cache_bits!r}")
    two_sided = config.kind == "encoder_decoder"
    read, written = (prompt, output) if two_sided else (0, prompt + output)
    if read > config.longest_source or written > config.context_length:
        longest = config.longest_source if read > config.longest_source else config.context_length
        raise UsageError(
            f"{prompt:,} tokens read and {output:,} written exceed the {longest:,} that the model"
            " was made for",
            hint="Shorten them, or take a model with a longer context.",
        )


def _row_bytes(
    config: TransformerConfig, devices: int, prompt: int, output: int, cache_bits: int
) -> float:
    """Keys and values of one row at its longest; heads that devices share are kept by each."""
    copies = max(1.0, devices / config.kv_heads)
    kept = _decoding.cached_tokens(config, prompt, output)
    return copies * kept * cache_bytes_per_token(config, cache_bits)


def _usable(choice: HardwareChoice, devices: int) -> float:
    return (1 - RESERVED) * devices * choice.device.memory_bytes


def _ways(config: TransformerConfig, choice: HardwareChoice) -> list[int]:
    """Numbers of devices that can share one copy: powers of two in a node, dividing the heads."""
    most = min(choice.count, choice.device.node_size, 64)
    return [2**i for i in range(most.bit_length()) if 2**i <= most and config.n_head % 2**i == 0]


def _fewest(config: TransformerConfig, choice: HardwareChoice, *, batch: int, **row: int) -> int:
    ways = _ways(config, choice)
    for devices in ways:
        fitting = max_batch(
            config,
            choice,
            devices_per_replica=devices,
            prompt=row["prompt"],
            output=row["output"],
            weight_bits=row["weight_bits"],
            cache_bits=row["cache_bits"],
        )
        if fitting >= batch:
            return devices
    return ways[-1]


def _missing(
    weights: float, cache: float, usable: float, devices: int, choice: HardwareChoice
) -> tuple[str, ...]:
    if weights + cache <= usable:
        return ()
    most = "weights" if weights > cache else "the key-value cache"
    return (
        f"{devices} x {choice.device.name} hold {usable / 1e9:,.3g} GB, but "
        f"{(weights + cache) / 1e9:,.3g} GB are needed, most of it {most}: take more or larger "
        "devices, fewer bits, a smaller batch or shorter rows.",
    )


def _assumptions(choice: HardwareChoice, weight_bits: int) -> tuple[str, ...]:
    texts = [
        f"{name}: {part}, {part.basis}."
        for name, part in (
            ("Computing", _decoding.COMPUTE),
            ("Memory", _decoding.MEMORY),
            ("Links", _decoding.LINK),
            ("Exchange", _decoding.LATENCY),
        )
    ]
    texts.append(f"{RESERVED:.0%} of the memory is kept free; devices are always busy.")
    texts.append(f"${choice.hourly_cost} a device-hour, {choice.price.basis}.")
    if weight_bits < 16:
        texts.append(
            f"Weights of {weight_bits} bits are taken to cost no time to unpack; what they cost "
            "in quality is not said here."
        )
    return tuple(texts)
