"""A folder of Hugging Face as the folder of a model of isoloss."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from isoloss._files import canonical_json, sha256_text, write_json_atomic, write_text_atomic
from isoloss.architecture import count_parameters
from isoloss.errors import DataError
from isoloss.models.huggingface.conversion import family_of, model_from_parts
from isoloss.models.huggingface.reading import hub_folder, read_hub_folder
from isoloss.models.huggingface.tokenizer_files import end_of_text, fitted
from isoloss.training.checkpoints import digest, write_checkpoint
from isoloss.training.exchange.exporting import require_empty


@dataclass(frozen=True, kw_only=True)
class Imported:
    """What an import wrote.

    Attributes:
        folder: where.
        family: of `HUB_FAMILIES`.
        model_type: in its `config.json`.
        kind: decoder, encoder or encoder_decoder.
        parameters: tied weights once.
        run_id: made from the weights, since no run of isoloss trained them.
    """

    folder: str
    family: str
    model_type: str
    kind: str
    parameters: int
    run_id: str


def import_model(source: str | Path, out: str | Path) -> Imported:
    """Write the checkpoint, `tokenizer.json` and `run.json` of a model of Hugging Face.

    The checkpoint has weights alone: it can be used, not trained on. Entries that the tokeniser
    lacks are filled up with unused ones; its own end of text is named in `run.json`.

    Args:
        source: a folder with `config.json`, safetensors and `tokenizer.json`, or
            `hf://owner/name[@revision]`.
        out: a folder that does not exist yet, or is empty.

    Raises:
        NotFoundError: no such folder.
        UsageError: `out` holds something, or the model has options that isoloss does not have.
        DataError: it is damaged, incomplete, or holds pickles only.
        EnvironmentProblem: `out` cannot be written, or the hub cannot be reached.
    """
    out = Path(out)
    require_empty(out)
    folder = hub_folder(source)
    values, weights = read_hub_folder(folder)
    family = family_of(values)
    model = model_from_parts(values, weights)
    path = folder / "tokenizer.json"
    try:
        own = path.read_text("utf-8")
    except FileNotFoundError as error:
        raise DataError(
            f"{folder}: no tokenizer.json",
            hint="Save the tokeniser as a fast one: AutoTokenizer….save_pretrained(folder).",
        ) from error
    text = fitted(own, model.config.vocab_size, path)
    state = model.state_dict()
    if model.config.tied_embeddings:
        del state["head.weight"]  # it is the embedding, and is saved once
    tensors = {f"model.{name}": weight for name, weight in state.items()}
    architecture = model.config.to_dict()
    identity = {"architecture": architecture, "weights": digest(tensors)}
    run_id = sha256_text(canonical_json(identity))[:16]
    metadata = {"step": "0", "config": json.dumps(architecture)}
    write_checkpoint(out / "checkpoint.safetensors", metadata, tensors)
    write_text_atomic(out / "tokenizer.json", text)
    write_json_atomic(
        out / "run.json",
        {
            "format": "isoloss-model-1",
            "run_id": run_id,
            "run": {**identity, "imported_from": str(source)},
            "corpus": None,
            "row": None,
            "end_of_text": end_of_text(values, text),
        },
    )
    return Imported(
        folder=str(out),
        family=family.name,
        model_type=values["model_type"],
        kind=model.config.kind,
        parameters=count_parameters(model.config).total,
        run_id=run_id,
    )
