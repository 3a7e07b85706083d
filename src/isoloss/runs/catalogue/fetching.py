"""Files of public tables: fetched once over HTTPS, checked, kept in the user's cache."""

from __future__ import annotations

import hashlib
import os
import sys
import urllib.parse
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from isoloss._files import write_bytes_atomic
from isoloss.errors import DataError, EnvironmentProblem
from isoloss.runs.catalogue.entries import PublishedFile, PublishedTable

HOST = "https://raw.githubusercontent.com"
"""Where the files of public repositories can be had one by one."""
VARIABLE = "ISOLOSS_PUBLISHED_DIR"
"""Names a folder with copies of public tables, looked at before cache and network."""
TIMEOUT = 30.0
"""Seconds without an answer after which a download is given up."""
_PIECE = 2**16


def cache_folder() -> Path:
    """Where fetched tables are kept: `XDG_CACHE_HOME`, or what the platform uses."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    if given:
        base = Path(given)
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        base = Path.home() / ".cache"
    return base / "isoloss" / "published"


def cached_path(table: PublishedTable, file: PublishedFile) -> Path:
    """Where a file is kept once it was fetched; another commit is another folder."""
    return cache_folder() / table.name / table.commit[:12] / file.path


def is_cached(table: PublishedTable) -> bool:
    """Whether every file of a table lies in the cache."""
    return all(cached_path(table, file).is_file() for file in table.source.files)


def at_hand(table: PublishedTable) -> str:
    """Where a table can be had without network: `copy`, `cache`, or nothing.

    `copy`: in the folder that `ISOLOSS_PUBLISHED_DIR` names. Nothing is opened or checked.
    """
    folder = os.environ.get(VARIABLE, "")
    if folder and any(
        all((Path(folder) / path).is_file() for path in paths) for paths in _places(table)
    ):
        return "copy"
    return "cache" if table.source.reader and is_cached(table) else ""


def _places(table: PublishedTable) -> list[list[str]]:
    """Paths of each form in a local folder: the flat copy, or the repository's under its name."""
    own = [[f"{table.name}/{file.path}" for file in table.source.files]]
    return [[file.path for file in table.copy.files], *own] if table.copy else own


def url_of(table: PublishedTable, file: PublishedFile) -> str:
    """Where a file lies."""
    place = f"{table.repository}/{table.commit}/{file.path}"
    return f"{HOST}/{urllib.parse.quote(place)}"


def checked(data: bytes, file: PublishedFile, where: object, hint: str) -> bytes:
    """`data`, if it is the file that the catalogue knows.

    Raises:
        DataError: its SHA-256 is another; both are named.
    """
    found = hashlib.sha256(data).hexdigest()
    if found == file.sha256:
        return data
    raise DataError(
        f"{where}: not the file of the catalogue: expected SHA-256 {file.sha256}"
        f" ({file.size} bytes), found {found} ({len(data)} bytes)",
        hint=hint,
    )


def source_files(table: PublishedTable) -> dict[str, bytes]:
    """The files of a table by path, from the cache; what is not there is fetched.

    Raises:
        EnvironmentProblem: the network or the repository does not answer; what was fetched
            before is kept.
        DataError: a file is not the one of the catalogue.
    """
    found: dict[str, bytes] = {}
    for file in table.source.files:
        path = cached_path(table, file)
        if path.is_file():
            hint = f"Delete {path}; it is fetched again."
            found[file.path] = checked(_bytes_of(path), file, path, hint)
    missing = [file for file in table.source.files if file.path not in found]
    if missing:
        _say(
            f"Fetching {table.name} from the repository {table.repository}: {_count(missing)},"
            f" {size_text(sum(file.size for file in missing))}, kept in {cache_folder()}"
        )
    kept = True
    for done, file in enumerate(missing, 1):
        data = fetch(table, file)
        found[file.path] = data
        kept = kept and _keep(table, file, data)
        _tell_progress(done, len(missing))
    return {file.path: found[file.path] for file in table.source.files}


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be read: {error.strerror or error}", hint="Check its permissions."
        ) from error


def _tell_progress(done: int, count: int) -> None:
    """One line that counts on a terminal, a line every 50 files elsewhere."""
    if count > 1 and sys.stderr.isatty():
        print(f"\r  {done} of {count}", end="\n" if done == count else "", file=sys.stderr)
    elif done % 50 == 0:
        _say(f"  {done} of {count}")


def fetch(table: PublishedTable, file: PublishedFile) -> bytes:
    """One file from its repository, checked; never more bytes than the catalogue says.

    Raises:
        EnvironmentProblem: no network, no such file there, or the download broke off.
        DataError: the file is another one.
    """
    import http.client
    import urllib.error
    import urllib.request

    url = url_of(table, file)
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
            data = _content(answer, file.size)
    except urllib.error.HTTPError as error:
        error.close()
        raise _unreachable(table, file, f"{url} answers {error.code} {error.reason}") from error
    except http.client.IncompleteRead as error:
        got = len(error.partial)
        raise _unreachable(table, file, f"{url} broke off after {got} bytes") from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        raise _unreachable(table, file, f"{url} does not answer: {reason}") from error
    if len(data) < file.size:
        raise _unreachable(table, file, f"{url} broke off after {len(data)} bytes")
    return checked(data, file, url, "The repository was changed; please report it.")


def _content(answer: BinaryIO, size: int) -> bytes:
    """What is answered, at most one byte more than expected: enough to see that it is wrong."""
    parts: list[bytes] = []
    left = size + 1
    while left > 0 and (part := answer.read(min(_PIECE, left))):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


def _keep(table: PublishedTable, file: PublishedFile, data: bytes) -> bool:
    """Write a file to the cache; a cache that cannot be written costs a warning, not the table."""
    try:
        write_bytes_atomic(cached_path(table, file), data)
    except EnvironmentProblem as error:
        warnings.warn(
            f"{table.name} is not kept and will be fetched again: {error.message}", stacklevel=4
        )
        return False
    return True


def _unreachable(table: PublishedTable, file: PublishedFile, what: str) -> EnvironmentProblem:
    return EnvironmentProblem(
        f"{table.name}: {file.path} ({file.size} bytes) could not be fetched: {what}",
        hint="Try again; files fetched so far are kept. Without network, set"
        " ISOLOSS_PUBLISHED_DIR to a folder with a copy: it holds"
        f" {table.name}/{file.path}, as in {table.repository} at commit {table.commit}.",
    )


def size_text(size: int) -> str:
    """Bytes for people.

    >>> size_text(23224), size_text(8103268)
    ('23 kB', '8.1 MB')
    """
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"


def _count(files: list[PublishedFile]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def _say(text: str) -> None:
    print(text, file=sys.stderr)


def local_files(root: Path, table: PublishedTable) -> tuple[str, dict[str, bytes]] | None:
    """The name of the form and the files of a table in a local folder, or None.

    A folder holds the flat copy as the catalogue names it, or the files of the repository under
    the table's name.

    Raises:
        DataError: a file is not the one of the catalogue, or some are missing.
    """
    forms = (table.copy, table.source) if table.copy else (table.source,)
    for form, paths in zip(forms, _places(table), strict=True):
        places = {file: root / path for file, path in zip(form.files, paths, strict=True)}
        missing = [path for path in places.values() if not path.is_file()]
        if len(missing) == len(places):
            continue
        if missing:
            raise DataError(
                f"{root}: of the {len(places)} files of {table.name}, {len(missing)} are missing,"
                f" such as {missing[0]}",
                hint="Complete the copy, or take the others away.",
            )
        hint = f"Only the files that the catalogue lists are read; see {table.place}."
        return form.name, _all_checked(places, hint)
    return None


def _all_checked(places: Mapping[PublishedFile, Path], hint: str) -> dict[str, bytes]:
    return {file.path: checked(_bytes_of(path), file, path, hint) for file, path in places.items()}
