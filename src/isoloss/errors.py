"""Every error that isoloss raises for a user, with the exit code of the command line.

```
IsolossError             1  something inside isoloss went wrong
├── UsageError           2  a flag, a spec or an argument is wrong
├── DataError            3  the input data are wrong
├── UntrustedError       4  the result is there but not to be trusted
├── NotFoundError        5  a file, run, law or study does not exist
└── EnvironmentProblem   6  missing extra, unwritable folder, full disk, out of memory
```
"""

from __future__ import annotations


class IsolossError(Exception):
    """A failure with a message for the user and a hint on what to do.

    >>> raise DataError("runs.csv, row 3, column 'loss': -1.0 is not positive", hint="Remove it.")
    Traceback (most recent call last):
    isoloss.errors.DataError: runs.csv, row 3, column 'loss': -1.0 is not positive
    """

    code = "internal"
    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(IsolossError):
    """A flag, a spec or an argument is wrong."""

    code = "usage"
    exit_code = 2


class DataError(IsolossError):
    """The input data are wrong: the message names file, row, column and value."""

    code = "bad_data"
    exit_code = 3


class UntrustedError(IsolossError):
    """A result exists but must not be trusted: not converged or not identified."""

    code = "untrusted"
    exit_code = 4


class NotFoundError(IsolossError):
    """A file, run, law or study does not exist."""

    code = "not_found"
    exit_code = 5


class EnvironmentProblem(IsolossError):
    """The machine lacks something: an extra, a writable folder, disk space, memory."""

    code = "environment"
    exit_code = 6
