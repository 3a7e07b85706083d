"""The example of the classic Transformer runs as its docstring says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "seed_transformer.py"


def parameters(d: int, f: int, encoder_layers: int, decoder_layers: int) -> int:
    """Of the classic Transformer in closed form, from its width and its inner width."""
    attention = 4 * (d * d + d)
    feed_forward = (d * f + f) + (f * d + d)
    norm = 2 * d
    encoder_layer = attention + feed_forward + 2 * norm
    decoder_layer = 2 * attention + feed_forward + 3 * norm
    return encoder_layers * encoder_layer + decoder_layers * decoder_layer + 2 * norm


def test_it_builds_the_base_model_and_the_loss_falls() -> None:
    """Full size, 4 steps: about 6 s on one core."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLE), "--steps", "4"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    count = re.search(r"^parameters ([\d,]+)$", done.stdout, re.MULTILINE)
    assert count is not None
    assert int(count[1].replace(",", "")) == parameters(512, 2048, 6, 6) == 44_140_544
    losses = [float(x) for x in re.findall(r"^step \d+  loss ([\d.]+) ", done.stdout, re.MULTILINE)]
    assert len(losses) == 4
    assert losses[0] - losses[-1] > 0.1
