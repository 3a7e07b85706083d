"""The bundled runs: a ladder that isoloss trained itself.

The 28 runs of the ladder `standard` on the standard library of Python 3.11.7, made by

    isoloss study --out STUDY

and `il.RunStore.open("STUDY/runs.sqlite").runs().to_csv("example.csv")` before the verification
run was there.
"""

from __future__ import annotations

from importlib import resources

from isoloss.errors import NotFoundError
from isoloss.runs.table import Runs


def example_runs() -> Runs:
    """The runs of the ladder that comes with isoloss (`example.csv` beside this module).

    Raises:
        NotFoundError: the installation lacks the file.
    """
    with resources.as_file(resources.files("isoloss.runs") / "example.csv") as path:
        if not path.is_file():
            raise NotFoundError(
                "the bundled runs are missing from this installation",
                hint="Install isoloss again.",
            )
        return Runs.read(path)
