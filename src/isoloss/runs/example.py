"""The bundled runs: a ladder that isoloss trained itself."""

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
