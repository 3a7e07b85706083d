"""`isoloss model`: counts, the list, the coordinate check and conversion."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.cli import main


def answer(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, dict]:
    code = main([*map(str, words), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_count_of_a_public_model(capsys) -> None:
    code, document = answer(capsys, "model", "count", "gpt3")
    assert code == 0
    assert document["name"] == "gpt3-175b"
    assert document["params_total"] == sum(document["components"].values()) == 174_604_259_328
    assert document["published"]["params_total"] == 175e9
    assert document["published"]["difference_percent"] == pytest.approx(-0.226, abs=1e-3)
    assert set(document["flops_per_token"]) == {"6nd_total", "6nd_non_embedding", "matmul", "palm"}


def test_count_for_people(capsys) -> None:
    assert main(["model", "count", "llama-2-7b"]) == 0
    text = capsys.readouterr().out
    assert "6,738,415,616" in text
    assert "counted -3.74%" in text
    assert "arXiv:2307.09288" in text


def test_count_of_a_shape(capsys) -> None:
    words = ("model", "count", "--d-model", "64", "--family", "llama", "--vocab-size", "512")
    code, document = answer(capsys, *words, "--set", "n_kv_head=2", "--n-layer", "2")
    assert code == 0
    assert document["published"] is None
    assert document["architecture"]["n_kv_head"] == 2
    # two layers of 64·(64 + 32 + 32 + 64) + 3·64·176 and two norms; embedding, head, last norm
    assert document["params_total"] == 2 * (64 * 192 + 3 * 64 * 176 + 128) + 2 * 512 * 64 + 64


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("count", "gtp3"), "no such public model: 'gtp3'"),
        (("count",), "either the name of a public model or --d-model"),
        (("count", "--d-model", "64", "--set", "n_head"), "--set expects NAME=VALUE"),
        (("count", "--d-model", "64", "--family", "lama"), "no such family of models: 'lama'"),
    ],
)
def test_wrong_words_are_usage_errors(words, message: str, capsys) -> None:
    code, document = answer(capsys, "model", *words)
    assert code == 2
    assert message in document["error"]["message"]


def test_a_close_name_is_offered(capsys) -> None:
    _, document = answer(capsys, "model", "count", "gtp3")
    assert "gpt3" in document["error"]["hint"]


def test_the_list(capsys) -> None:
    code, document = answer(capsys, "model", "list")
    assert code == 0
    sizes = {row["name"]: row["params_total"] for row in document["models"]}
    assert sizes["mt-nlg-530b"] == 529_581_506_560
    assert document["aliases"]["jurassic-1"] in sizes
    assert main(["model", "list"]) == 0
    assert "jurassic-1-jumbo" in capsys.readouterr().out


COORDINATES = ("model", "coord-check", "--widths", "16,32,64", "--n-layer", "1", "--steps", "2")


def test_coord_check_passes_and_draws(tmp_path: Path, capsys) -> None:
    figure = tmp_path / "check.svg"
    code, document = answer(capsys, *COORDINATES, "-o", figure)
    assert code == 0, document["message"]
    assert (document["status"], document["passed"], document["cure"]) == ("passed", True, "")
    assert document["paths"] == {"figure": str(figure)}
    assert figure.read_text("utf-8").startswith("<svg")
    layers = ["embedding", "block 1 attention", "block 1 feed-forward", "hidden", "logits"]
    assert [row["layer"] for row in document["slopes"]] == [*layers, "target logit"]
    assert len(document["sizes"]) == 6 * 3 * 3 * 3  # layers, widths, seeds, steps 0 to 2


def test_coord_check_that_fails_exits_with_4(capsys) -> None:
    assert main([*COORDINATES, "--parameterization", "standard"]) == 4
    captured = capsys.readouterr()
    assert "failed: the change of target logit grows as width^" in captured.out
    assert "Take parameterization='mup'" in captured.out
    assert "coord-check: width 64" in captured.err


def test_coord_check_reads_options_of_a_shape(capsys) -> None:
    words = ("model", "coord-check", "--family", "gpt2", "--steps", "2", "--n-layer", "1")
    code, document = answer(capsys, *words)
    assert (code, document["error"]["code"]) == (2, "usage")
    assert "shares them" in document["error"]["message"]
    code, document = answer(capsys, *words, "--set", "tied_embeddings=false", "--set", "n_layer=2")
    assert code == 0, document["message"]
    assert "block 2 attention" in [row["layer"] for row in document["slopes"]]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--widths", "16,wide"), "--widths expects positive whole numbers, found '16,wide'"),
        (("-o", "check.pdf"), "check.pdf: the figure is a file of .svg, .png, .html"),
        (("--optimizer", "adam"), "optimizer must be one of muon, adamw"),
    ],
)
def test_wrong_words_of_coord_check(words, message: str, capsys) -> None:
    code, document = answer(capsys, *COORDINATES, *words)
    assert code == 2
    assert message in document["error"]["message"]


@pytest.fixture
def trained(finished) -> Path:
    """The folder of a study, whose verification run is a trained model."""
    return finished.folder


def test_a_trained_model_there_and_back(trained: Path, tmp_path: Path, capsys) -> None:
    import transformers

    capsys.readouterr()
    code, document = answer(capsys, "model", "export", trained, "--to", "hf", "-o", tmp_path / "hf")
    assert code == 0
    assert document["architecture"] == "NanoChatForCausalLM"
    assert document["paths"] == {"model": str(tmp_path / "hf")}
    model = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "hf")
    assert sum(weight.numel() for weight in model.parameters()) == document["numbers"]
    code, document = answer(capsys, "model", "import", tmp_path / "hf", "-o", tmp_path / "back")
    assert code == 0
    assert document["kind"] == "decoder"
    texts = []
    for folder in (trained, tmp_path / "back"):
        code, said = answer(capsys, "generate", folder, "--prompt", "Satz", "--temperature", "0")
        assert code == 0
        texts.append(said["text"])
    assert texts[0] == texts[1]


def test_exit_codes_of_conversion(trained: Path, tmp_path: Path, capsys) -> None:
    code, document = answer(capsys, "model", "export", trained, "-o", tmp_path, "--to", "onnx")
    assert (code, document["error"]["code"]) == (2, "usage")
    code, document = answer(capsys, "model", "export", trained, "-o", trained)
    assert (code, document["error"]["code"]) == (2, "usage")
    code, document = answer(capsys, "model", "export", tmp_path / "none", "-o", tmp_path / "a")
    assert (code, document["error"]["code"]) == (5, "not_found")
    code, document = answer(capsys, "model", "import", tmp_path / "none", "-o", tmp_path / "a")
    assert (code, document["error"]["code"]) == (5, "not_found")
    pickled = tmp_path / "pickled"
    pickled.mkdir()
    (pickled / "config.json").write_text('{"model_type": "llama"}', "utf-8")
    (pickled / "pytorch_model.bin").write_bytes(b"no")
    code, document = answer(capsys, "model", "import", pickled, "-o", tmp_path / "a")
    assert (code, document["error"]["code"]) == (3, "bad_data")
    assert "pytorch_model.bin" in document["error"]["message"]


def test_help_of_the_subcommands_loads_nothing_heavy(python) -> None:
    for name in ("count", "list", "coord-check", "export", "import"):
        done = python(
            f"from isoloss.cli import main\nassert main(['model', {name!r}, '--help']) == 0\n"
            "heavy = {'torch', 'numpy', 'transformers', 'tokenizers'} & set(sys.modules)\n"
            "assert not heavy, heavy"
        )
        assert done.returncode == 0, done.stderr
        assert "--json" in done.stdout


def test_counting_needs_no_pytorch(python) -> None:
    done = python(
        "from isoloss.cli import main\nassert main(['model', 'count', 'bert']) == 0",
        blocked=("torch", "numpy"),
    )
    assert done.returncode == 0, done.stderr
    assert "109,512,762" in done.stdout
