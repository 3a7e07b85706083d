"""What is to be read: files, and folders of many runs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.runs.importers.formats import FORMATS, Format, detected, named_format

_DEPTH = 8
"""How many folders deep runs are looked for."""

Located = tuple[Format, str, bool]
"""A format, a path or address, and whether it was found in a folder rather than named."""


def located(sources: Iterable[str], format: str | None) -> tuple[list[Located], dict[str, str]]:
    """Every file, folder or address to read, and the files that were passed over.

    Args:
        sources: paths and addresses.
        format: of all of them; told by name and content where None.

    Raises:
        NotFoundError: a source is not there; DataError: nothing in it is of a known format.
    """
    found: list[Located] = []
    skipped: dict[str, str] = {}
    for source in sources:
        if format is not None:
            found += _of_format(named_format(format), source)
            continue
        address = next(
            (f for f in FORMATS.values() if f.prefix and source.startswith(f.prefix)), None
        )
        if address is not None:
            found.append((address, source, False))
            continue
        path = _existing(source)
        inside = _walk(path, skipped, 0)
        if not inside:
            raise DataError(
                f"{source}: {'nothing in it is' if path.is_dir() else 'not'} of a format that "
                "isoloss can import",
                hint=f"Say which with --format: {', '.join(FORMATS)}.",
            )
        found += [(one, str(where), where != path) for one, where in inside]
    return found, skipped


def _of_format(one: Format, source: str) -> list[Located]:
    if one.prefix:
        if not source.startswith(one.prefix):
            raise UsageError(f"{one.name} reads {one.description}, found {source!r}")
        return [(one, source, False)]
    path = _existing(source)
    if path.is_dir() and not one.fits(path):
        inside = [child for child in sorted(path.rglob("*")) if child.is_file() and one.fits(child)]
        if inside:
            return [(one, str(child), True) for child in inside]
    return [(one, source, False)]


def _walk(path: Path, skipped: dict[str, str], depth: int) -> list[tuple[Format, Path]]:
    """What there is to read at a path, each as far up as its format goes alone."""
    one = detected(str(path))
    if path.is_file():
        if one is None:
            skipped[str(path)] = "no known format"
        return [] if one is None else [(one, path)]
    # A reader of folders takes all below; a folder that only leads to such is looked into.
    if one is not None and (not one.deep or depth >= _DEPTH or _holds(path, one)):
        return [(one, path)]
    if depth >= _DEPTH:
        return []
    passed: dict[str, str] = {}
    found = [item for child in _children(path, passed) for item in _walk(child, passed, depth + 1)]
    if one is not None and {format for format, _ in found} <= {one}:
        return [(one, path)]
    skipped |= passed
    return found


def _holds(folder: Path, one: Format) -> bool:
    """Whether a folder itself has a file of the format."""
    return any(child.is_file() and one.fits(child) for child in _children(folder, {}))


def _children(folder: Path, skipped: dict[str, str]) -> list[Path]:
    try:
        children = sorted(folder.iterdir())
    except OSError as error:
        skipped[str(folder)] = error.strerror or str(error)
        return []
    # A link to a folder above would never end.
    return [
        child
        for child in children
        if not child.name.startswith(".") and not (child.is_symlink() and child.is_dir())
    ]


def _existing(source: str) -> Path:
    path = Path(source)
    if path.exists():
        return path
    beside = [item.name for item in path.parent.iterdir()] if path.parent.is_dir() else []
    close = difflib.get_close_matches(path.name, beside, n=1)
    hint = f"Did you mean {path.parent / close[0]}?" if close else "Check the path."
    raise NotFoundError(f"{source}: no such file or folder", hint=hint)
