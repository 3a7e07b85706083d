"""JSON files from outside: an object, or a clear error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

from isoloss.errors import DataError, EnvironmentProblem, NotFoundError


def read_object(path: Path) -> dict[str, object]:
    """The object that a JSON file holds.

    Raises:
        NotFoundError, EnvironmentProblem: it cannot be read; DataError: it holds something else.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}: no such file", hint="Check the path.") from error
    except OSError as error:
        raise EnvironmentProblem(
            f"{path}: cannot be read: {error.strerror or error}", hint="Check its permissions."
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(
            f"{path}: not JSON, or cut short: {error}", hint="Copy the file again."
        ) from error
    if not isinstance(value, dict):
        raise DataError(f"{path}: expected a JSON object, found {type(value).__name__}")
    return {str(key): item for key, item in cast("dict[object, object]", value).items()}
