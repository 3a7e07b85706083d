"""Write the golden result of a task with the real command, on a small model that nothing trained.

python tests/runs/importers/make_task_golden.py
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path

from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from isoloss.architecture import config_for_width
from isoloss.cli import main as isoloss
from isoloss.models import build_model
from isoloss.training.finetuning.states import write_plain

GOLDEN = Path(__file__).resolve().parent / "golden" / "task"
TEXTS = ["the old man and the sea", "a hill", "went up to fetch water", "the end"]


def main() -> None:
    """Make the model and the examples in a folder of their own, and score one on the other."""
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        entries = ["<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz "]
        letters = Tokenizer(models.BPE(vocab={e: i for i, e in enumerate(entries)}, merges=[]))
        letters.pre_tokenizer = pre_tokenizers.Split("", "isolated")
        letters.decoder = decoders.Fuse()
        letters.add_special_tokens(entries[:1])
        config = config_for_width(16, vocab_size=len(entries), context_length=32, n_layer=1)
        Path("small").mkdir()
        write_plain(build_model(config, seed=0), Path("small/checkpoint.safetensors"))
        letters.save("small/tokenizer.json")
        run = {"run_id": "0123456789abcdef", "run": {}, "row": None}
        Path("small/run.json").write_text(json.dumps(run), "utf-8")
        lines = "".join(json.dumps({"text": text}) + "\n" for text in TEXTS)
        Path("texts.jsonl").write_text(lines, "utf-8")
        out = str(GOLDEN / "perplexity.json")
        words = ["evaluate", "small", "--task", "perplexity", "--data", "texts.jsonl", "-o", out]
        assert isoloss(words) == 0


if __name__ == "__main__":
    main()
