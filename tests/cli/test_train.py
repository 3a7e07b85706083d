"""`isoloss train`: what its flags mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from isoloss.cli import main
from isoloss.training import Recipe, aims, single


@pytest.fixture
def train(tiny_text: str, tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch):
    """Run the command on `tiny_text` with short steps; gives code, document and message."""
    monkeypatch.setattr(single, "EVAL_TOKENS", 640)
    monkeypatch.setattr(
        "isoloss.cli._training.Recipe",
        lambda **given: Recipe(**{"warmup_steps": 2, "batch_tokens": 256, **given}),
    )
    path = tmp_path / "text.txt"
    path.write_text(tiny_text, "utf-8")

    def run(*flags: str) -> tuple[int, dict[str, Any]]:
        sizes = ["--d-model", "16", "--context", "32", "--vocab", "300"]
        words = ["train", "--corpus", str(path), "--out", str(tmp_path / "model"), *sizes]
        code = main([*words, *flags, "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def test_flags_reach_the_run(train: Any, tmp_path: Path) -> None:
    code, document = train(
        *("--objective", "masked:rate=0.3", "--layers", "1", "--optimizer", "adamw"),
        *("--schedule", "cosine", "--tokens", "5200", "--learning-rate", "0.004"),
        *("--evaluate-every", "10"),
    )
    assert code == 0
    row = document["run"]
    assert (row["architecture"], row["objective"], row["n_layer"]) == ("encoder", "masked", 1)
    assert (row["optimizer"], row["schedule"], row["tokens"]) == ("adamw", "cosine:2", 5_120)
    assert row["learning_rate"] == 0.016
    run = json.loads((tmp_path / "model" / "run.json").read_text("utf-8"))["run"]
    assert run["objective"] == {"name": "masked", "rate": 0.3}
    lines = Path(document["paths"]["log"]).read_text("utf-8").splitlines()
    assert sum('"evaluation"' in line for line in lines) == 2


def test_rules_to_stop(train: Any) -> None:
    code, document = train(
        *("--schedule", "constant", "--stop-epochs", "2", "--stop-patience", "1"),
        *("--evaluate-every", "1000000"),
    )
    assert code == 0
    row = document["run"]
    assert row["tokens"] == pytest.approx(2 * row["unique_tokens"], rel=0.01)


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (["--family", "lama"], 2, "no such family of models: 'lama'"),
        (["--objective", "maskd"], 2, "no such objective"),
        (["--family", "llama", "--objective", "masked"], 2, "trains a model of kind"),
        (["--optimizer", "sgd"], 2, "optimizer must be one of muon, adamw"),
        (["--fields", "zh"], 2, "--fields expects two names"),
        (["--device", "tpu"], 2, "device must be cpu, cuda or auto"),
        (["--log", "tensorbord"], 2, "no such log"),
        (["--tokens", "100", "--stop-flops", "1"], 2, "0 steps"),
    ],
)
def test_mistakes(train: Any, tmp_path: Path, flags: list[str], code: int, message: str) -> None:
    found, document = train(*flags)
    assert found == code
    assert message in document["error"]["message"]
    assert not (tmp_path / "model").exists()


def test_every_kind_has_an_objective_and_a_family() -> None:
    for kind in ("decoder", "encoder", "encoder_decoder"):
        aim = aims.resolve_aim(family=aims._FAMILY_OF[kind])
        assert aim.objective.name == aims._OBJECTIVE_OF[kind]
        assert aim.objective.kind == kind


def test_any_option_of_the_model_can_be_set(train: Any) -> None:
    code, document = train(
        *("--set", "n_expert=3", "--set", "positions=alibi", "--set", "n_head=4"),
        *("--tokens", "5200"),
    )
    assert code == 0
    row = document["run"]
    assert row["architecture"] == "decoder/custom"
    assert row["params_active"] < row["params_total"]
    assert row["n_head"] == 4


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("n_experts=3", "n_experts"),
        ("d_model=64", "no options of a family"),
        ("tied_embeddings=yes", "expects true or false"),
    ],
)
def test_wrong_options_are_refused_by_name(train: Any, option: str, message: str) -> None:
    code, document = train("--set", option, "--tokens", "5200")
    assert code == 2
    assert message in document["error"]["message"]
