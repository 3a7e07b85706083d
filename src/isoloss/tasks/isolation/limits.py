"""What a program may use before it is ended."""

from __future__ import annotations

from dataclasses import dataclass

from isoloss.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits of one program.

    Args:
        seconds: of wall clock, setting up included.
        cpu_seconds: of processor, for each process.
        memory_bytes: of address space, for each process; and of what all processes together
            hold, which is looked at some twenty times a second.
        processes: processes and threads at a time, the program's own included.
        file_bytes: of each file.
        folder_bytes: of all files in the folder where it may write (memory too: it is no disk).
        open_files: at a time, for each process.
        output_bytes: on stdout, and on stderr; a program that writes more is ended.

    Raises:
        UsageError: a limit is not positive.
    """

    seconds: float = 10.0
    cpu_seconds: int = 8
    memory_bytes: int = 512 * 2**20
    processes: int = 4
    file_bytes: int = 8 * 2**20
    folder_bytes: int = 32 * 2**20
    open_files: int = 32
    output_bytes: int = 2**20

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if not 0 < value < float("inf"):
                raise UsageError(f"the limit {name} must be positive, found {value}")
