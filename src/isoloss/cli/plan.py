"""`isoloss plan`: what to train with a budget, or for a target."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, Level, new_app, quantity

app = new_app()


def _amount(flag: str, metavar: str, text: str) -> Any:
    return typer.Option(flag, parser=quantity, metavar=metavar, help=text)


@app.command()
def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="FIT|TABLE|published:NAME",
            help="A fit, a run table, a study folder, `example`, or a published law.",
        ),
    ],
    flops: Annotated[float | None, _amount("--flops", "C", "The budget in training FLOP.")] = None,
    gpu_hours: Annotated[
        float | None, _amount("--gpu-hours", "H", "Or in device-hours of --hardware.")
    ] = None,
    money: Annotated[
        float | None, _amount("--money", "USD", "Or in US dollars on --hardware.")
    ] = None,
    days: Annotated[
        float | None, _amount("--days", "T", "Or in days on all --devices of --hardware.")
    ] = None,
    loss: Annotated[
        float | None, _amount("--loss", "L", "Instead of a budget: the cheapest with this loss.")
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="NAME=VALUE", help="Or the cheapest with this value of a column."),
    ] = None,
    hardware: Annotated[
        str | None, typer.Option(metavar="NAME", help="Device to train on, such as h100-sxm.")
    ] = None,
    devices: Annotated[int, typer.Option(min=1, help="How many of them.")] = 1,
    utilisation: Annotated[
        str | None,
        typer.Option(
            metavar="MFU",
            help="Model FLOP utilisation, 0 to 1, or `measured`: that of the table's runs.",
        ),
    ] = None,
    price: Annotated[float | None, _amount("--price", "USD", "US dollars a device-hour.")] = None,
    n: Annotated[float | None, _amount("--n", "N", "Fix the parameters: 7B.")] = None,
    max_n: Annotated[float | None, _amount("--max-n", "N", "Largest model allowed.")] = None,
    min_tokens_per_parameter: Annotated[
        float | None, _amount("--min-tokens-per-parameter", "R", "Smallest D/N allowed.")
    ] = None,
    max_tokens_per_parameter: Annotated[
        float | None, _amount("--max-tokens-per-parameter", "R", "Largest D/N allowed.")
    ] = None,
    unique_tokens: Annotated[
        float | None, _amount("--unique-tokens", "U", "Tokens at hand: more are repeated.")
    ] = None,
    inference_tokens: Annotated[
        float | None, _amount("--inference-tokens", "D", "Tokens of use over the model's life.")
    ] = None,
    inference_cost: Annotated[
        str, typer.Option(help="Price use in `flops`, or in `money` on --serve-on.")
    ] = "flops",
    serve_on: Annotated[
        str | None, typer.Option(metavar="NAME", help="The model must fit this device.")
    ] = None,
    serve_devices: Annotated[int, typer.Option(min=1, help="Devices that share one copy.")] = 1,
    serve_bits: Annotated[int, typer.Option(help="Bits of a served weight: 16, 8 or 4.")] = 16,
    serve_context: Annotated[
        int | None, typer.Option(min=2, help="Tokens of one request; a context when left out.")
    ] = None,
    n_layer: Annotated[int | None, typer.Option(min=1, help="Fix the number of layers.")] = None,
    vocab_size: Annotated[
        int | None, typer.Option(min=1, help="Entries of the vocabulary.")
    ] = None,
    context_length: Annotated[int | None, typer.Option(min=1, help="Tokens of context.")] = None,
    level: Level = 0.9,
    law: Annotated[
        str | None, typer.Option("--law", help="Law for a run table; chinchilla when left out.")
    ] = None,
    average: Annotated[
        str | None,
        typer.Option(metavar="LAWS", help="Average laws, weighed by held-out error: a,b,c."),
    ] = None,
    metric_law: Annotated[
        str | None,
        typer.Option(help="With --metric: its law from the loss; accuracy_sigmoid when left out."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="PLAN", help="Save the plan here.")
    ] = None,
    figure: Annotated[
        Path | None, typer.Option(metavar="SVG", help="Draw the loss against N here (.svg).")
    ] = None,
    as_json: Json = False,
) -> Answer:
    """Turn a budget, or a target, into parameters, tokens and a shape, with intervals."""
    from isoloss.cli._plans import (
        check_one_aim,
        ladder_recipe,
        metric_target,
        read_plannable,
        runs_of,
        utilisation_of,
    )
    from isoloss.planning import plan

    check_one_aim(
        {"flops": flops, "gpu_hours": gpu_hours, "money": money, "days": days, "loss": loss,
         "metric": metric}
    )  # fmt: skip
    column, value = metric_target(metric)
    runs = runs_of(source)
    result = plan(
        read_plannable(
            source, runs, law=law, average=average, metric=column, metric_law=metric_law
        ),
        flops=flops,
        gpu_hours=gpu_hours,
        money=money,
        days=days,
        loss=loss,
        metric=value,
        hardware=hardware,
        devices=devices,
        utilisation=utilisation_of(utilisation, runs, hardware),
        price=price,
        n=n,
        max_n=max_n,
        min_tokens_per_parameter=min_tokens_per_parameter,
        max_tokens_per_parameter=max_tokens_per_parameter,
        unique_tokens=unique_tokens,
        inference_tokens=inference_tokens,
        inference_cost=inference_cost,
        serve_on=serve_on,
        serve_devices=serve_devices,
        serve_bits=serve_bits,
        serve_context=serve_context,
        ladder_recipe=ladder_recipe(runs),
        n_layer=n_layer,
        vocab_size=vocab_size,
        context_length=context_length,
        level=level,
    )
    document, text = result.to_dict(), result.summary()
    paths: dict[str, str] = {}
    if output is not None:
        result.save(output)
        paths["plan"] = str(output)
    if figure is not None:
        from isoloss.reports.valley_chart import write_valley_svg

        write_valley_svg(figure, document)
        paths["figure"] = str(figure)
    if paths:
        document["paths"] = paths
        text += "\n\n" + "\n".join(f"Saved {path}" for path in paths.values())
    return Answer(document=document, text=text)
