"""`isoloss ledger`: predictions and how they turned out."""

from __future__ import annotations

from typing import Annotated

import typer

from isoloss.cli._answer import Answer
from isoloss.cli._options import Json, new_app

app = new_app()


@app.command()
def command(
    source: Annotated[
        str, typer.Argument(metavar="STUDY|STORE", help="A study folder, a database or a URL.")
    ],
    as_json: Json = False,
) -> Answer:
    """Show every prediction that was registered before its run, with the outcome."""
    from isoloss.cli._inputs import open_store
    from isoloss.runs import ledger

    book = ledger(open_store(source))
    return Answer(document=book.to_dict(), text=book.summary())
