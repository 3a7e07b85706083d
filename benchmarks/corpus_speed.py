"""How fast is a gigabyte of text prepared, and in how much memory?

    python benchmarks/corpus_speed.py                 # 1 GB
    python benchmarks/corpus_speed.py --megabytes 100

The text is made from Python's standard library: its files, again and again, where each copy has
the words replaced by others of nearly the same frequency (drawn anew for each copy). So it has
the words and the distribution of real text, but the copies are neither equal nor nearly equal.
It is written to a temporary folder as JSONL parts of 64 MB.

Three preparations of the same files, each in a process of its own, so that each has its own peak
of memory:

* isoloss: read, clean, exact and near-duplicates, split, BPE of 4,096 entries on 64 MB, encode;
* isoloss without near-duplicates: the like of what the next one does;
* `datasets`: `load_dataset` (its cache is part of the work), `map` with the very same
  `tokenizers` tokeniser in batches, ids written to one file. It neither cleans, splits nor
  deduplicates, and is given the tokeniser for nothing: a lower bound of that way.

MB/s are of text, by the wall clock and by the CPU time of all threads (the fair one where other
processes run). The ratios are of CPU time. Peak memory is the resident set's high-water mark.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

VOCABULARY = 4096
PART_BYTES = 64_000_000
NEIGHBOURS = 64
"""Words that may stand in for each other: neighbours in the order of frequency."""
_WORD = re.compile("[A-Za-z]+")


def main() -> None:
    """Make the text, prepare it in each way, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--megabytes", type=float, default=1000, help="size of the text")
    parser.add_argument("--ways", nargs="+", choices=list(WAYS), default=list(WAYS))
    parser.add_argument("--folder", type=Path, help="where to work; a temporary folder if none")
    parser.add_argument("--one", nargs=3, metavar=("WAY", "TEXT", "OUT"), help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.one:
        way, text, out = chosen.one
        WAYS[way](Path(text), Path(out))
        return
    with tempfile.TemporaryDirectory(dir=chosen.folder) as name:
        folder = Path(name)
        n_bytes, documents = make_text(folder / "text", chosen.megabytes * 1e6)
        print(f"{n_bytes / 1e6:,.0f} MB of text in {documents:,} documents", flush=True)
        cpu = {}
        for way in chosen.ways:
            wall, cpu[way], peak, note = measured(way, folder)
            print(
                f"{way:<32} {n_bytes / 1e6 / wall:6.2f} MB/s wall ({wall:.0f} s)"
                f"  {n_bytes / 1e6 / cpu[way]:6.2f} MB/s CPU ({cpu[way]:.0f} s)"
                f"  peak {peak / 1e6:,.0f} MB\n    {note}",
                flush=True,
            )
        for way in [way for way in cpu if way != "datasets" and "datasets" in cpu]:
            print(f"{way} takes {cpu[way] / cpu['datasets']:.2f} of the CPU time of datasets")


def make_text(folder: Path, wanted: float) -> tuple[int, int]:
    """Write the text; its bytes and documents."""
    from isoloss.corpus import standard_library_documents

    folder.mkdir()
    originals = [d.text for d in standard_library_documents() if d.text.strip()]
    counts = Counter(word for text in originals for word in _WORD.findall(text))
    ranked = [word for word, _ in counts.most_common()]
    total = documents = copy = 0
    part = None
    part_bytes = 0
    while total < wanted:
        stand_ins = stand_ins_of(ranked, copy)
        for text in originals:
            if part is None or part_bytes > PART_BYTES:
                if part is not None:
                    part.close()
                part = (folder / f"part-{documents:07}.jsonl").open("w", encoding="utf-8")
                part_bytes = 0
            changed = rewritten(text, stand_ins)
            part.write(json.dumps({"text": changed}, ensure_ascii=False) + "\n")
            size = len(changed.encode("utf-8"))
            total, part_bytes, documents = total + size, part_bytes + size, documents + 1
            if total >= wanted:
                break
        copy += 1
    if part is not None:
        part.close()
    return total, documents


def rewritten(text: str, stand_ins: dict[str, str]) -> str:
    """A text with every word of letters replaced by its stand-in."""
    return _WORD.sub(lambda found: stand_ins.get(found[0], found[0]), text)


def stand_ins_of(ranked: list[str], copy: int) -> dict[str, str]:
    """Words for words of nearly the same frequency; the first copy is the original.

    So each copy has the frequencies and spellings of real text, and other runs of words.
    """
    rng = random.Random(copy)
    found: dict[str, str] = {}
    for first in range(0, len(ranked) if copy else 0, NEIGHBOURS):
        words = ranked[first : first + NEIGHBOURS]
        found.update(zip(words, rng.sample(words, len(words)), strict=True))
    return found


def measured(way: str, folder: Path) -> tuple[float, float, float, str]:
    """Wall seconds, CPU seconds, peak bytes and what the process says of one preparation."""
    out = folder / way.replace(" ", "-")
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, __file__, "--one", way, str(folder / "text"), str(out)],
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(f"{way} failed:\n{done.stderr[-3000:]}")
    *stages, last = done.stdout.strip().splitlines()
    for line in stages:
        if "MB of" not in line and "text:" not in line:  # not the news inside a stage
            print(f"    {line}", flush=True)
    cpu, peak, note = last.split(" ", 2)
    return seconds, float(cpu), float(peak), note


def report_peak(note: str) -> None:
    """CPU seconds and high-water mark in bytes of this process, and a note."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, note)


def isoloss_way(text: Path, out: Path, near: float | None = 0.8) -> None:
    """All stages."""
    from isoloss.corpus import prepare_corpus

    begun = time.perf_counter()

    def say(line: str) -> None:
        print(f"{time.perf_counter() - begun:8.1f} s  {line}", flush=True)

    corpus = prepare_corpus(
        [text], out, vocab_size=VOCABULARY, max_bytes=None, near_duplicates=near, on_progress=say
    )
    removed = corpus.manifest["near_duplicates"]
    dropped = removed["border"] + removed["train"] + removed["validation"]
    report_peak(
        f"{corpus.train_tokens + len(corpus.validation):,} tokens;"
        f" {corpus.manifest['duplicates']} exact, {dropped} near-duplicates"
    )


def without_near_duplicates(text: Path, out: Path) -> None:
    """All stages but one."""
    isoloss_way(text, out, near=None)


def datasets_way(text: Path, out: Path) -> None:
    """`datasets` with `map`, and the tokeniser that isoloss trained."""
    import numpy as np
    from datasets import load_dataset
    from datasets.utils import logging
    from tokenizers import Tokenizer

    logging.disable_progress_bar()
    tokenizer = Tokenizer.from_file(str(out.parent / "isoloss" / "tokenizer.json"))
    end = tokenizer.token_to_id("<|endoftext|>")

    def encode(rows: dict[str, list[str]]) -> dict[str, Any]:
        encodings = tokenizer.encode_batch_fast(rows["text"], add_special_tokens=False)
        return {"ids": [[*encoding.ids, end] for encoding in encodings]}

    files = [str(path) for path in sorted(text.glob("*.jsonl"))]
    rows: Any = load_dataset("json", data_files=files, split="train", cache_dir=str(out / "cache"))
    encoded = rows.map(encode, batched=True, batch_size=200, remove_columns=["text"])
    count = 0
    with (out / "tokens.bin").open("wb") as file:
        for part in encoded.with_format("numpy").iter(batch_size=200):
            for ids in part["ids"]:
                file.write(np.asarray(ids, dtype="<u2").tobytes())
                count += len(ids)
    report_peak(f"{count:,} tokens")


WAYS = {
    "isoloss": isoloss_way,
    "isoloss without near-duplicates": without_near_duplicates,
    "datasets": datasets_way,
}

if __name__ == "__main__":
    main()
