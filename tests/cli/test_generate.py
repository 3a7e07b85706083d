"""`isoloss generate`: one prompt comes bit by bit, and the speed is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from isoloss.cli import _generation, main

SPEED = re.compile(r"^(\d+) tokens? in ([\d.]+) s \(([\d,]+) tokens/s\)(; ended by .+)?$", re.M)


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is written to the terminal bit by bit; it is written all the same."""
    told: list[str] = []
    write = _generation.write_piece

    def note(piece: str) -> None:
        told.append(piece)
        write(piece)

    monkeypatch.setattr(_generation, "write_piece", note)
    return told


def speed(err: str) -> re.Match[str]:
    found = SPEED.search(err)
    assert found, err
    return found


def test_one_prompt_comes_bit_by_bit(finished, capsys, pieces: list[str]) -> None:
    words = ["generate", str(finished.folder), "--max-tokens", "24", "--prompt", "def "]
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert not pieces  # JSON comes whole
    assert main(words) == 0
    told = capsys.readouterr()
    assert told.out == document["text"] + "\n" == "".join(pieces)
    assert pieces[0] == "def "
    assert pieces[-1] == "\n"
    assert len(pieces) > 8
    count, seconds, rate, ended = speed(told.err).groups()
    assert int(count) == len(document["generations"][0]["tokens"])
    assert float(rate.replace(",", "")) == pytest.approx(
        int(count) / float(seconds), rel=0.02 + 0.01 / float(seconds)
    )
    assert ended == "; ended by --max-tokens"
    assert document["tokens_per_second"] > 0


def test_a_piece_is_written_before_the_next_token_is_made(
    finished, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isoloss.tasks.generation import decoding

    order: list[str] = []
    take = decoding.choose
    monkeypatch.setattr(_generation, "write_piece", lambda piece: order.append("piece"))

    def choose(*given):
        order.append("token")
        return take(*given)

    monkeypatch.setattr(decoding, "choose", choose)
    words = ["generate", str(finished.folder), "--max-tokens", "12", "--prompt", "def "]
    assert main(words) == 0
    assert order[0] == "piece"  # the prompt
    assert "piece" in order[2:-3]
    assert order.index("piece", 1) < len(order) - 1 - order[::-1].index("token")


def test_several_prompts_come_whole_with_their_speed(
    finished, capsys, pieces: list[str], tmp_path: Path
) -> None:
    (tmp_path / "prompts.txt").write_text("def\nimport\n", "utf-8")
    words = ["generate", str(finished.folder), "--max-tokens", "6"]
    assert main([*words, "--prompts", str(tmp_path / "prompts.txt")]) == 0
    told = capsys.readouterr()
    assert not pieces
    assert told.out.startswith("[1] def")
    assert "\n\n[2] import" in told.out
    assert 0 < int(speed(told.err)[1]) <= 12
    assert main([*words, "--prompt", "def", "--beams", "2"]) == 0
    assert not pieces  # a search knows its text only at its end
    assert speed(capsys.readouterr().err)[4]


def test_what_cannot_be_continued(finished, capsys, tmp_path: Path) -> None:
    """Each before the model is opened; the message has the value and no runs as a hint."""
    folder = str(finished.folder)
    (tmp_path / "gaps.txt").write_text("\ndef\n\n", "utf-8")
    for words, code, told in (
        ((str(tmp_path / "no"),), 5, "`isoloss train --out`"),
        ((folder, "--prompts", str(tmp_path)), 3, "expected a file, found a folder"),
        ((folder, "--presence-penalty", "-1"), 2, "or a positive number, found -1.0"),
        ((folder, "--presence-penalty", "nan"), 2, "or a positive number, found nan"),
        ((folder, "--length-penalty", "inf"), 2, "length_penalty must be a number, found inf"),
    ):
        assert main(["generate", *words]) == code
        err = capsys.readouterr().err
        assert told in err
        assert "bundled" not in err
    words = ["--prompts", str(tmp_path / "gaps.txt"), "--max-tokens", "1"]
    assert main(["generate", folder, *words]) == 0
    err = capsys.readouterr().err
    assert "gaps.txt: 2 blank lines are left out" in err
    assert "1 token in " in err


def test_an_error_amid_the_text_begins_a_line(
    finished, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    from isoloss.errors import DataError
    from isoloss.tasks.generation import decoding

    def choose(*_):
        raise DataError("damaged")

    monkeypatch.setattr(decoding, "choose", choose)
    assert main(["generate", str(finished.folder), "--prompt", "def "]) == 3
    assert capsys.readouterr().out == "def \n"


def test_no_folder_is_told_without_pytorch() -> None:
    code = (
        "import sys\n"
        "from isoloss.cli import main\n"
        "print(main(['generate', 'nodir', '--prompt', 'a']), 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=600
    )
    assert done.stdout.split() == ["5", "False"]
    assert "nodir" in done.stderr


def test_an_encoder_decoder_needs_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    import isoloss.tasks
    from isoloss.errors import UsageError
    from isoloss.tasks import GenerationSettings

    opened = SimpleNamespace(kind="encoder_decoder", require=lambda *_, **__: None)
    monkeypatch.setattr(isoloss.tasks, "open_model", lambda *_, **__: opened)
    asked = _generation.Wanted(folder="pairs", prompts=(), device="cpu")
    with pytest.raises(UsageError, match="pairs: an encoder-decoder needs a source"):
        _generation.generated(asked, GenerationSettings(), batch_rows=1, stream=False)
