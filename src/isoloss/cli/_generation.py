"""What `generate` does with its prompts, and how it shows them."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from isoloss.cli._answer import Answer, write_piece
from isoloss.errors import DataError, NotFoundError, UsageError

if TYPE_CHECKING:
    from isoloss.tasks import Generation, GenerationSettings

_ENDS = {"end": "the model ended it", "stop": "a stop text", "length": "--max-tokens"}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The model and the prompts."""

    model: str
    prompts: tuple[str, ...]
    file: Path | None
    device: str


def generated(
    wanted: Wanted, settings: GenerationSettings, *, batch_rows: int, stream: bool
) -> Answer:
    """Open the model, generate, and say how fast it went."""
    from isoloss.cli._inputs import model_folder
    from isoloss.tasks import generate, open_model

    prompts = _prompts(wanted)
    opened = open_model(
        wanted.model if wanted.model.startswith("hf://") else model_folder(wanted.model),
        device=wanted.device,
    )
    target = opened.kind == "encoder_decoder"
    live = stream and len(prompts) == 1 and settings.beams == 1
    if live and not target:
        write_piece(prompts[0])
    began = time.perf_counter()
    made = generate(
        opened,
        prompts,
        settings,
        batch_rows=batch_rows,
        on_text=(lambda _, piece: write_piece(piece)) if live else None,
    )
    seconds = time.perf_counter() - began
    if live:
        write_piece("\n")
    count = sum(len(one.tokens) for one in made)
    ends = "; ended by " + _ENDS[made[0].ended] if len(made) == 1 else ""
    print(
        f"{count:,} tokens in {seconds:.2f} s ({count / seconds:,.0f} tokens/s){ends}",
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


def _prompts(wanted: Wanted) -> list[str]:
    if wanted.file is None:
        return list(wanted.prompts) or [""]
    if wanted.prompts:
        raise UsageError("--prompt and --prompts are both given", hint="Give one of them.")
    try:
        lines = wanted.file.read_text("utf-8").splitlines()
    except FileNotFoundError as error:
        raise NotFoundError(f"{wanted.file}: no such file", hint="Check the path.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{wanted.file}: not UTF-8 text ({error})") from error
    found = [line for line in lines if line.strip()]
    if not found:
        raise DataError(f"{wanted.file}: no prompts", hint="Write one in each line.")
    return found
