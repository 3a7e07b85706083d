"""Rows of a Hugging Face data set, streamed by `datasets`: `hf://owner/name[/config][:split]`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from isoloss.corpus.reading.tables import Row, Several, row_texts
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError

SCHEME = "hf:/"
"""With one slash: a `Path` of `hf://owner/name` has lost the other."""


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """A data set that `datasets.load_dataset` knows, or a local folder of data files."""

    path: str
    config: str | None
    split: str


def is_hub(source: str | Path) -> bool:
    """Whether a source names a data set of the hub."""
    return str(source).startswith(SCHEME)


def hub_source(source: str | Path) -> HubSource:
    """The parts of `hf://owner/name[/config][:split]`; the split is `train` when left out.

    A local folder in the layout of a data set is named by its absolute path:
    `hf:///folder:validation`, or `hf:///folder/config:validation` where its README.md names
    configurations.

    >>> hub_source("hf://wikimedia/wikipedia/20231101.en:train")
    HubSource(path='wikimedia/wikipedia', config='20231101.en', split='train')

    Raises:
        UsageError: no owner and name, or `@` before a split.
        NotFoundError: no such folder.
    """
    rest = str(source).removeprefix(SCHEME).removeprefix("/")
    rest, _, split = rest.partition(":")
    local = Path(rest if rest.startswith("/") else f"/{rest}")
    split = split or "train"
    if local.is_dir():
        return HubSource(path=str(local), config=None, split=split)
    if (local.parent / "README.md").is_file():
        return HubSource(path=str(local.parent), config=local.name, split=split)
    if rest.startswith("/"):
        raise NotFoundError(f"{source}: no such folder", hint="Give hf://owner/name, or a folder.")
    parts = [part for part in rest.split("/") if part]
    if len(parts) not in (2, 3) or "@" in f"{rest}{split}":
        raise UsageError(
            f"{source}: expected hf://owner/name, perhaps with /config and :split",
            hint="For example: hf://wikimedia/wikipedia/20231101.en:train",
        )
    config = parts[2] if len(parts) == 3 else None
    return HubSource(path="/".join(parts[:2]), config=config, split=split)


def hub_rows(
    source: str | Path, fields: Sequence[str], several: Several | None = None
) -> Iterator[Row]:
    """The texts of the fields of a data set's rows; `fields` and `several` as `row_texts`.

    Raises:
        EnvironmentProblem, NotFoundError, DataError: as `whole_rows`; also no such field.
    """
    for number, row in enumerate(whole_rows(source), start=1):
        yield f"{source}:{number}", row_texts(row, fields, f"{source}, row {number}", several)


def whole_rows(source: str | Path) -> Iterator[dict[str, Any]]:
    """The rows of a data set, streamed; nothing of it is run as code.

    Raises:
        EnvironmentProblem: `datasets` is missing, or the hub cannot be reached.
        NotFoundError: no such data set, configuration or split.
        DataError: broken data.
    """
    iterator = iter(_stream(hub_source(source), str(source)))
    number = 0
    while True:
        try:
            row = next(iterator)
        except StopIteration:
            return
        except (OSError, ValueError) as error:
            raise DataError(
                f"{source}, row {number + 1}: cannot be read ({error})",
                hint="Try again; if it stays, the data set is damaged.",
            ) from error
        number += 1
        yield dict(row)


def _stream(wanted: HubSource, source: str) -> Any:
    try:
        from datasets import load_dataset
    except ImportError as error:
        raise EnvironmentProblem(
            "reading from the Hugging Face hub needs `datasets`",
            hint="pip install 'isoloss[train]'",
        ) from error
    try:
        return load_dataset(wanted.path, wanted.config, split=wanted.split, streaming=True)
    except (FileNotFoundError, ValueError) as error:
        raise NotFoundError(
            f"{source}: no such data set, configuration or split ({error})",
            hint="Write hf://owner/name/config:split as the data set's page names them.",
        ) from error
    except OSError as error:
        raise EnvironmentProblem(
            f"{source}: the hub cannot be reached ({error})",
            hint="Check the network, or download the data set and give its folder.",
        ) from error
