"""Which of a source's names is which column of ours: as given, as called, or as guessed."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from isoloss.errors import DataError, UsageError
from isoloss.runs.columns import COLUMNS, kind_of
from isoloss.runs.importers.names import (
    CONVENTION_UNSAID,
    EVAL_LOSSES,
    NAMES,
    NEEDED,
    TRAIN_LOSSES,
    is_held_out_loss,
    normal,
)
from isoloss.runs.units import header_unit, split_factor

How = Literal["given", "same name", "guessed"]
_PREFIXES = ("config.", "summary.")
_NOT_FROM_CONFIG = frozenset({"loss", "steps", "bits_per_byte", "tokens", "flops"})
"""What a config says of these was planned."""
_NOT_FROM_METRICS = frozenset(
    name for name in COLUMNS if kind_of(name) == "text" or name in ("seed", "context_length")
)


@dataclass(frozen=True, kw_only=True)
class Mapped:
    """One column of an import.

    Attributes:
        ours: our name.
        theirs: the source's; of a log a metric, or `config.KEY` or `summary.KEY`.
        how: given by the user, called as ours, or guessed from its name.
        factor: what their values are multiplied by.
        unconfirmed: a unit that the header says, and that the user has to confirm.
        note: what may be wrong with a guess.
    """

    ours: str
    theirs: str
    how: How
    factor: float = 1.0
    unconfirmed: bool = False
    note: str = ""

    def to_dict(self) -> dict[str, object]:
        """Plain dictionary for JSON."""
        return {
            "ours": self.ours,
            "theirs": self.theirs,
            "how": self.how,
            "factor": self.factor,
            "unconfirmed": self.unconfirmed,
            "note": self.note,
        }

    def flag(self) -> str:
        """The option that gives this column, e.g. `--map "tokens=Tokens (B):1e9"`."""
        suffix = f":{_short(self.factor)}" if self.factor != 1 or self.unconfirmed else ""
        return f'--map "{self.ours}={self.theirs}{suffix}"'


def _short(factor: float) -> str:
    """A factor as people write it: 1e9."""
    return f"{factor:g}".replace("e+0", "e").replace("e+", "e")


def map_names(
    names: Sequence[str],
    given: Mapping[str, str] | None,
    *,
    label: str,
    numbers: Collection[str],
    log: bool = False,
    lenient: bool = False,
) -> tuple[tuple[Mapped, ...], tuple[str, ...]]:
    """The columns of a source, and what is to be told of them.

    Args:
        names: of a table its columns; of logs their metrics, `config.KEY` and `summary.KEY`.
        given: their name → `ours` or `ours:factor`, as `Runs.read` takes it.
        label: the source, for messages.
        numbers: the names that hold numbers: no other is guessed to be a number.
        log: whether the names are those of logs, where a plain `loss` is that of training.

        lenient: pass over given names that are not there: another source may have them.

    Raises:
        DataError: a given name is not there, or a column that a fit needs may be one of several.
        UsageError: one of our columns is given twice.
    """
    found = _given(names, given, label, lenient=lenient)
    notes: list[str] = []
    taken = {one.theirs for one in found}
    done = {one.ours for one in found}
    if not log:
        same = [name for name in names if name in COLUMNS and name not in taken | done]
        found += [Mapped(ours=name, theirs=name, how="same name") for name in same]
        taken |= set(same)
        done |= set(same)
    for ours in ("loss", *NAMES):
        if ours in done or (log and ours in _KNOWN_OF_LOGS):
            continue
        free = [name for name in names if name not in taken]
        if kind_of(ours) != "text":
            free = [name for name in free if name in numbers]
        candidates = _loss_candidates(free) if ours == "loss" else _candidates(ours, free, log)
        if len(candidates) > 1:
            counted = ours == "params_total" and any(one.startswith("params_") for one in done)
            if ours in NEEDED and not counted:
                raise _ambiguous(ours, candidates, label)
            listed = " or ".join(repr(name) for name in candidates[:4])
            notes.append(f"{ours} may be {listed}: left out; say which with --map")
        elif candidates:
            found.append(_guess(ours, candidates[0]))
            taken.add(candidates[0])
    return tuple(found), tuple(notes)


def _given(
    names: Sequence[str], given: Mapping[str, str] | None, label: str, *, lenient: bool
) -> list[Mapped]:
    found: list[Mapped] = []
    for theirs, text in (given or {}).items():
        ours, factor = split_factor(text)
        if lenient and not any(prefix + theirs in names for prefix in ("", *_PREFIXES)):
            continue
        if ours in (one.ours for one in found):
            raise UsageError(f"{ours!r} is given twice", hint="Map one column to each name.")
        found.append(
            Mapped(
                ours=ours,
                theirs=_actual(theirs, ours, names, label),
                how="given",
                factor=factor or 1.0,
            )
        )
    return found


def _actual(theirs: str, ours: str, names: Sequence[str], label: str) -> str:
    """A given name as the source has it: with or without `config.` or `summary.`."""
    for name in (theirs, *(prefix + theirs for prefix in _PREFIXES)):
        if name in names:
            return name
    close = difflib.get_close_matches(theirs, names, n=3, cutoff=0.5)
    listed = ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")
    raise DataError(
        f"{label}: no column {theirs!r} to map to {ours!r}",
        hint=f"Did you mean {' or '.join(map(repr, close))}?" if close else f"There are: {listed}",
    )


def _candidates(ours: str, names: Sequence[str], log: bool) -> list[str]:
    """Names that may be ours; of a log the first place that has one: metrics, summary, config."""
    wanted = {ours, *NAMES[ours]}
    if not log:
        return [name for name in names if _base(name) in wanted]
    # In a config `d` and `n` are anything.
    wanted = {name for name in wanted if len(name) > 1}
    metrics = [name for name in names if not name.startswith(_PREFIXES)]
    summary = [name for name in names if name.startswith("summary.")]
    config = [name for name in names if name.startswith("config.")]
    places = [] if ours in _NOT_FROM_METRICS or ours in _SETTINGS else [metrics]
    places.append(summary)
    places += [] if ours in _NOT_FROM_CONFIG else [config]
    if ours in _SETTINGS:
        places.reverse()
    for place in places:
        plain = {
            name: name.partition(".")[2] if name.startswith(_PREFIXES) else name for name in place
        }
        own = [name for name in place if normal(plain[name]) == ours]
        whole = own or [name for name in place if normal(plain[name]) in wanted]
        if whole:
            return whole
        # A nested key such as config.model.n_layers says by its last part what it is.
        ends = [name for name in place if "." in plain[name] and _last(plain[name]) in wanted]
        if ends:
            return ends
    return []


_SETTINGS = frozenset(
    {
        "learning_rate",
        "batch_tokens",
        "n_layer",
        "d_model",
        "n_head",
        "d_ff",
        "vocab_size",
        "params_total",
        "params_matmul",
        "params_non_embedding",
        "params_active",
    }
)
"""What is set before a run: a config says it, a curve of that name may be something else."""

_KNOWN_OF_LOGS = frozenset({"name", "steps"})
"""What a log says by itself, so that nothing is guessed."""


def _last(name: str) -> str:
    return normal(name.rpartition(".")[2])


def _base(name: str) -> str:
    """A column's normalised name without the unit in its header."""
    unit = header_unit(name)
    return normal(unit[0] if unit else name)


def _loss_candidates(names: Iterable[str]) -> list[str]:
    """Losses on held-out text, else of training: the known names before those like them."""
    plain = {name: normal(name.removeprefix("summary.")) for name in names if _may_be_loss(name)}
    metrics = [name for name in plain if not name.startswith("summary.")]
    for place in (metrics, list(plain)):
        known = [name for name in place if plain[name] in EVAL_LOSSES]
        like = [name for name in place if is_held_out_loss(name)]
        training = [name for name in place if plain[name] in TRAIN_LOSSES]
        for group in (known, like, training):
            if group:
                return group
    return []


def _may_be_loss(name: str) -> bool:
    return not name.startswith("config.") and not normal(name).endswith(("ppl", "perplexity"))


def _guess(ours: str, theirs: str) -> Mapped:
    unit = header_unit(theirs)
    plain = theirs.partition(".")[2] if theirs.startswith(_PREFIXES) else theirs
    if plain == ours:
        return Mapped(ours=ours, theirs=theirs, how="same name")
    note = ""
    if ours == "params_total" and normal(plain) not in (
        "params_total",
        "total_params",
        "total_parameters",
    ):
        note = CONVENTION_UNSAID
    if ours == "loss" and normal(theirs) in TRAIN_LOSSES and theirs != "loss":
        note = "the loss of training, not of held-out text"
    return Mapped(
        ours=ours,
        theirs=theirs,
        how="guessed",
        factor=unit[1] if unit else 1.0,
        unconfirmed=unit is not None,
        note=note,
    )


def _ambiguous(ours: str, candidates: list[str], label: str) -> DataError:
    listed = ", ".join(repr(name) for name in candidates[:12])
    more = f" and {len(candidates) - 12} more" if len(candidates) > 12 else ""
    flag = f'--loss "{candidates[0]}"' if ours == "loss" else f'--map "{ours}={candidates[0]}"'
    return DataError(
        f"{label}: {ours} may be any of {listed}{more}", hint=f"Say which, for example: {flag}"
    )
