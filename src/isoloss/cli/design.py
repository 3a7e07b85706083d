"""`isoloss design`: which runs to make next."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Seed, columns, new_app, pairs, quantity
from isoloss.errors import UsageError

app = new_app()


@app.command()
def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FIT|TABLE", help="A saved fit, a run table, a study folder, or `example`."
        ),
    ],
    budget: Annotated[
        float, typer.Option(parser=quantity, metavar="C", help="FLOP to spend on the next runs.")
    ],
    candidates: Annotated[
        str | None,
        typer.Option(
            metavar="TABLE",
            help="Runs that may be made, with the law's variables and flops; a grid around the"
            " runs when left out.",
        ),
    ] = None,
    target_flops: Annotated[
        float | None,
        typer.Option(parser=quantity, metavar="C", help="Target: the loss of this budget's best."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target",
            metavar="NAME=VALUE",
            help="Target: the loss at a point, one --target a variable: --target N=7B --target"
            " D=2T.",
        ),
    ] = None,
    target_optimum: Annotated[
        float | None,
        typer.Option(parser=quantity, metavar="C", help="Target: N* of this budget."),
    ] = None,
    target_exponent: Annotated[
        bool, typer.Option("--target-exponent", help="Target: the exponent a of N* = k C^a.")
    ] = False,
    target_parameter: Annotated[
        str | None, typer.Option(metavar="NAME", help="Target: a parameter of the law.")
    ] = None,
    running: Annotated[
        str | None,
        typer.Option(metavar="TABLE", help="Runs under way: counted as made."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(metavar="K", help="Mark so many runs to make before a new look.")
    ] = None,
    law: Annotated[
        list[str] | None,
        typer.Option(
            "--law",
            help="Law for a run table; chinchilla when left out. Several weigh alike.",
        ),
    ] = None,
    strategy: Annotated[
        str,
        typer.Option(
            help="targeted, V-optimal, D-optimal, grid, isoFLOP, cost-weighted, random or cheapest."
        ),
    ] = "targeted",
    spread: Annotated[
        str, typer.Option(help="What laws leave open: `modes`, or the bootstrap's `draws`.")
    ] = "modes",
    least_flops: Annotated[
        float | None,
        typer.Option(parser=quantity, metavar="C", help="Leave out candidates below this cost."),
    ] = None,
    most: Annotated[int, typer.Option(help="Runs at most.")] = 100,
    map_: Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar='"OURS=THEIRS"',
            help="Name a column of --candidates and --running, with its unit if need be:"
            ' "tokens=Tokens (B):1e9". Repeatable.',
        ),
    ] = None,
    seed: Seed = 0,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="DESIGN", help="Save the design here.")
    ] = None,
    jobs: Annotated[
        Path | None, typer.Option(metavar="JOBS", help="Write the jobs here, a JSON object a line.")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Choose the runs that make a prediction least uncertain for a budget."""
    from isoloss.planning.experiments import design

    found = design(
        _fits(source, law or [], seed),
        candidates,
        budget=budget,
        target=_target(
            flops=target_flops,
            point={n: quantity(text) for n, text in pairs(target, "--target").items()} or None,
            optimum=target_optimum,
            exponent="a" if target_exponent else None,
            parameter=target_parameter,
        ),
        running=running,
        batch=batch,
        spread=spread,  # type: ignore[arg-type]
        strategy=strategy,
        least_flops=least_flops or 0.0,
        most=most,
        columns=columns(map_),
        seed=seed,
    )
    document, text, paths = found.to_dict(), found.summary(), dict[str, str]()
    if output is not None:
        found.save(output)
        paths["design"], text = str(output), f"{text}\n\nSaved {output}"
    if jobs is not None:
        from isoloss.planning.experiments.result import save_jobs

        save_jobs(found, jobs)
        paths["jobs"], text = str(jobs), f"{text}\n\nSaved {jobs}"
    return Answer(document=document | ({"paths": paths} if paths else {}), text=text)


def _target(**wishes: Any) -> dict[str, Any]:
    """The one wish that was given.

    Raises:
        UsageError: none, or more than one.
    """
    given = {name: value for name, value in wishes.items() if value is not None}
    if len(given) != 1:
        raise UsageError(
            "design needs one target" + (f", found {len(given)}" if given else ""),
            hint="Give --target-flops C, --target NAME=VALUE …, --target-optimum C,"
            " --target-exponent or --target-parameter NAME.",
        )
    return given.get("point", given)


def _fits(source: str, laws: list[str], seed: int) -> list[Any]:
    """The fit that `source` is, or fits of its runs to every law."""
    from isoloss.cli._inputs import read_fit

    return [read_fit(source, law, seed=seed) for law in dict.fromkeys(laws or [None])]
