"""`isoloss generate`: one prompt comes bit by bit, and the speed is told."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from isoloss.cli import _generation, main

SPEED = re.compile(r"^(\d+) tokens in ([\d.]+) s \(([\d,]+) tokens/s\)(; ended by .+)?$", re.M)


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
