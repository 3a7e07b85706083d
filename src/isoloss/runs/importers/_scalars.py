"""The numbers in a row of a history as trackers log it, and what in it is none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from isoloss.runs.importers._flat import flat, mapping
from isoloss.runs.importers._points import number

Path = tuple[str, ...]


def scalars(row: Mapping[Path, object], skipped: set[str]) -> Iterator[tuple[str, float]]:
    """The numbers of a row by the names of their metrics, nested names joined by dots.

    Names of what is no number (texts, pictures, histograms, tables) are added to `skipped`.
    Media are mappings with a `_type`, which may have been taken apart into one item a key.
    """
    media = {path[:-1] for path in row if len(path) > 1 and path[-1] == "_type"}
    for path, value in row.items():
        above = next((path[:end] for end in range(1, len(path)) if path[:end] in media), None)
        if above is not None:
            skipped.add(".".join(above))
        elif mapping(value) is not None:
            nested = flat(value)
            if any(name == "_type" or name.endswith("._type") for name in nested):
                skipped.add(".".join(path))
                continue
            for name, leaf in nested.items():
                yield from _scalar(".".join((*path, name)), leaf, skipped)
        else:
            yield from _scalar(".".join(path), value, skipped)


def _scalar(name: str, value: object, skipped: set[str]) -> Iterator[tuple[str, float]]:
    found = number(value)
    if found is not None:
        yield name, found
    elif value is not None:
        skipped.add(name)
