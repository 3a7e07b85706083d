"""What `generate` does with its prompts, and how it shows them."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.cli._answer import Answer, write_piece
from isoloss.errors import DataError, NotFoundError, UsageError

if TYPE_CHECKING:
    from isoloss.tasks import Generation, GenerationSettings

_ENDS = {"end": "the model", "stop": "a stop text", "length": "--max-tokens"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The model's folder or its name on the hub, and the prompts; none where none was given."""

    folder: str | Path
    prompts: tuple[str, ...]
    device: str


def wanted(model: str, prompts: Sequence[str], file: Path | None, *, device: str) -> Wanted:
    """What was asked for, found before PyTorch is imported, which takes seconds.

    Raises:
        NotFoundError: no such folder or file; DataError, UsageError: prompts that are none.
    """
    from isoloss.cli._inputs import model_folder

    return Wanted(
        folder=model if model.startswith("hf://") else model_folder(model),
        prompts=_prompts(prompts, file),
        device=device,
    )


def generated(
    wanted: Wanted, settings: GenerationSettings, *, batch_rows: int, stream: bool
) -> Answer:
    """Open the model, generate, and say how fast it went."""
    from isoloss.tasks import generate, open_model

    opened = open_model(wanted.folder, device=wanted.device)
    opened.require("decoder", "encoder_decoder", what="generation")
    target = opened.kind == "encoder_decoder"
    if target and not wanted.prompts:
        raise UsageError(
            f"{wanted.folder}: an encoder-decoder needs a source, found no prompt",
            hint="Give it with --prompt, or a file of them with --prompts.",
        )
    prompts = list(wanted.prompts) or [""]
    live = stream and len(prompts) == 1 and settings.beams == 1
    if live and not target:
        write_piece(prompts[0])
    began = time.perf_counter()
    try:
        made = generate(
            opened,
            prompts,
            settings,
            batch_rows=batch_rows,
            on_text=(lambda _, piece: write_piece(piece)) if live else None,
        )
    finally:
        if live:  # an error, too, begins a line of its own
            write_piece("\n")
    seconds = time.perf_counter() - began
    count = sum(len(one.tokens) for one in made)
    ends = "; ended by " + _ENDS[made[0].ended] if len(made) == 1 else ""
    made_in = f"{count:,} {'token' if count == 1 else 'tokens'} in {seconds:.2f} s"
    print(
        f"{made_in} ({count / seconds:,.0f} tokens/s){ends}",
        file=sys.stderr,
        flush=True,
    )
    whole = [one.text if target else one.prompt + one.text for one in made]
    document: dict[str, Any] = {
        "prompt": made[0].prompt,
        "text": whole[0],
        "seed": settings.seed,
        "tokens_per_second": count / seconds,
        "generations": [one.to_dict() for one in made],
    }
    return Answer(document=document, text="" if live else _shown(made, whole))


def _shown(made: list[Generation], whole: list[str]) -> str:
    if len(made) == 1:
        return whole[0]
    return "\n\n".join(f"[{index}] {text}" for index, text in enumerate(whole, start=1))


def _prompts(given: Sequence[str], file: Path | None) -> tuple[str, ...]:
    if file is None:
        return tuple(given)
    if given:
        raise UsageError("--prompt and --prompts are both given", hint="Give one of them.")
    try:
        lines = file.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise NotFoundError(f"{file}: no such file", hint="Check the path.") from error
    except IsADirectoryError as error:
        raise DataError(
            f"{file}: expected a file, found a folder", hint="Give one with a prompt in each line."
        ) from error
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: not UTF-8 text ({error})") from error
    found = [line for line in lines if line.strip()]
    if not found:
        raise DataError(f"{file}: no prompts", hint="Write one in each line.")
    empty = len(lines) - len(found)
    if empty:
        left = "1 blank line is" if empty == 1 else f"{empty:,} blank lines are"
        print(f"{file}: {left} left out", file=sys.stderr, flush=True)
    return tuple(found)
