"""Arguments and options that several commands share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated

import typer

from isoloss.errors import UsageError

_SUFFIXES = {"k": 1e3, "m": 1e6, "b": 1e9, "g": 1e9, "t": 1e12}


def new_app(**settings: object) -> typer.Typer:
    """A Typer app with plain help, which imports no Rich, and no tracebacks of its own."""
    return typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 88},
        **settings,  # type: ignore[arg-type]
    )


def quantity(text: str) -> float:
    """A positive number: `70e9`, `70B` and `70_000_000_000` are the same.

    Raises:
        typer.BadParameter: not a number, not positive or not finite.
    """
    number, factor = text.strip(), 1.0
    if number and number[-1].lower() in _SUFFIXES:
        number, factor = number[:-1], _SUFFIXES[number[-1].lower()]
    try:
        value = float(number) * factor
    except ValueError:
        raise typer.BadParameter(
            f"expected a number such as 1e15, 70B or 1.4T, found {text!r}"
        ) from None
    if not (math.isfinite(value) and value > 0):
        raise typer.BadParameter(f"expected a positive finite number, found {text!r}")
    return value


def pairs(texts: Sequence[str] | None, flag: str) -> dict[str, str]:
    """`["ours=Their name"]` as `{"ours": "Their name"}`.

    Raises:
        UsageError: no `=`, an empty side, or the same name twice.
    """
    result: dict[str, str] = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not (equals and name and value):
            raise UsageError(
                f"{flag} expects NAME=VALUE, found {text!r}",
                hint=f'For example: {flag} "tokens=Training Tokens"',
            )
        if name in result:
            raise UsageError(f"{flag} names {name!r} twice", hint="Give each name once.")
        result[name] = value
    return result


def numbers(texts: Sequence[str] | None, flag: str) -> dict[str, float]:
    """`["E=1.69"]` as `{"E": 1.69}`.

    Raises:
        UsageError: as `pairs`, or a value that is no number.
    """
    result: dict[str, float] = {}
    for name, value in pairs(texts, flag).items():
        try:
            result[name] = float(value)
        except ValueError:
            raise UsageError(f"{flag} {name} expects a number, found {value!r}") from None
    return result


def columns(texts: Sequence[str] | None) -> dict[str, str] | None:
    """`--map "ours=Their name:factor"` as the mapping that `Runs.read` takes."""
    from isoloss.runs.units import split_factor

    theirs: dict[str, str] = {}
    for ours, text in pairs(texts, "--map").items():
        name, factor = split_factor(text)
        if name in theirs:
            raise UsageError(
                f"--map gives the column {name!r} to both {theirs[name]!r} and {ours!r}",
                hint="A column of the table can be only one of ours.",
            )
        theirs[name] = ours if factor is None else f"{ours}:{factor!r}"
    return theirs or None


def two_fields(text: str | None) -> tuple[str, str] | None:
    """`"zh,en"` as a source and a target field.

    Raises:
        UsageError: not two names.
    """
    if text is None:
        return None
    names = [name.strip() for name in text.split(",")]
    if len(names) != 2 or not all(names):
        raise UsageError(
            f"--fields expects two names, found {text!r}", hint="For example: --fields zh,en"
        )
    return names[0], names[1]


# Which stream the answer goes to is settled before the words are parsed; this shows the flag.
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]
Map = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar='"OURS=THEIRS"',
        help='Name a column, with its unit if need be: "tokens=Tokens (B):1e9". Repeatable.',
    ),
]
FieldMap = Annotated[
    list[str] | None,
    typer.Option(
        "--map",
        metavar='"OURS=THEIRS"',
        help='Name a field of the examples: "question=query". Repeatable.',
    ),
]
Level = Annotated[float, typer.Option(help="Level of the intervals, between 0 and 1.")]
Seed = Annotated[int, typer.Option(help="Seed: the same seed gives the same answer.")]
LawName = Annotated[
    str, typer.Option("--law", help="A law's name or a formula, e.g. 'E + A/N**alpha + B/D**beta'.")
]
Source = Annotated[
    str,
    typer.Argument(
        metavar="FIT|TABLE", help="A saved fit, a run table, a study folder, or `example`."
    ),
]
