"""The command line: `isoloss COMMAND …`, one thin module a command, loaded on use."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code (see `isoloss.errors` for their meaning).

    Args:
        argv: the words after `isoloss`; those of the process when left out.
    """
    from isoloss.cli import _dispatch

    return _dispatch.run(argv)
