"""Whole folders: what `transformers` loads from ours, and what isoloss makes of theirs."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from isoloss.errors import DataError, NotFoundError, UsageError
from isoloss.models.huggingface import from_huggingface, to_huggingface
from isoloss.training import load_model, read_folder
from isoloss.training.exchange import export_model, import_model

TEXT = "Ein Text, 中文, <|endoftext|>?"


@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "bert", "bart", "isoloss"])
def test_transformers_loads_what_is_exported(family, trained_folder, tmp_path, logits) -> None:
    import transformers
    from tokenizers import Tokenizer

    source = trained_folder(family)
    done = export_model(source, tmp_path / "out")
    kind = getattr(transformers, done.auto_class)
    theirs, found = kind.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    assert type(theirs).__name__ == done.architecture
    a, b = logits(load_model(source / "checkpoint.safetensors").eval(), theirs.eval())
    torch.testing.assert_close(a, b, atol=1e-4, rtol=0)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    own = Tokenizer.from_file(str(source / "tokenizer.json"))
    assert tokenizer(TEXT)["input_ids"] == own.encode(TEXT).ids
    assert tokenizer.decode(tokenizer(TEXT)["input_ids"]) == TEXT
    assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|endoftext|>", "<|pad|>")
    assert tokenizer.mask_token == "<|mask|>"
    assert theirs.config.pad_token_id == tokenizer.pad_token_id
    assert tokenizer.model_max_length == 64
    assert not [name for name in done.files if name.endswith((".bin", ".pt", ".pkl"))]


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", ["llama", "qwen3", "gpt2", "bert", "bart", "isoloss"])
def test_what_transformers_saves_is_read(
    family, tied, tmp_path, make_model, make_theirs, logits
) -> None:
    """It leaves out of `config.json` what it takes for a default."""
    theirs = make_theirs(*to_huggingface(make_model(family, tied_embeddings=tied)))
    theirs.save_pretrained(tmp_path)
    ours = from_huggingface(tmp_path)
    assert ours.config.tied_embeddings is tied
    a, b = logits(ours, theirs)
    torch.testing.assert_close(a, b, atol=1e-4, rtol=0)


def test_their_generation_is_ours(trained_folder, tmp_path) -> None:
    """Greedy text by `generate` with its cache, from an untrained model: any text will do."""
    import transformers

    from isoloss.tasks import generate_text

    source = trained_folder("isoloss")
    export_model(source, tmp_path / "out")
    model: Any = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    inputs = tokenizer("abc", return_tensors="pt")
    ids = model.generate(**inputs, max_new_tokens=12, do_sample=False)[0]
    ours = generate_text(source, "abc", max_tokens=12, temperature=0)
    assert len(ours) > len("abc")
    assert tokenizer.decode(ids, skip_special_tokens=False).removesuffix("<|endoftext|>") == ours


def test_the_card_says_what_it_is(trained_folder, tmp_path) -> None:
    done = export_model(trained_folder("isoloss"), tmp_path / "out")
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "library_name: transformers" in card
    assert "training tokens: 1,000,000" in card
    assert "held-out loss: 2.5000" in card
    assert f"{done.parameters:,} in all" in card
    assert f"{done.numbers:,} numbers" in card
    assert done.numbers > done.parameters
    assert "heads are wider" in card


@pytest.mark.parametrize("family", ["llama", "qwen3", "bert", "bart"])
def test_exported_and_imported_again(family, trained_folder, tmp_path) -> None:
    source = trained_folder(family)
    export_model(source, tmp_path / "out")
    done = import_model(tmp_path / "out", tmp_path / "again")
    before = load_model(source / "checkpoint.safetensors")
    after = load_model(tmp_path / "again" / "checkpoint.safetensors")
    assert after.config == before.config
    for name, weight in before.state_dict().items():
        assert torch.equal(weight, after.state_dict()[name]), name
    known = read_folder(tmp_path / "again")
    assert known is not None
    assert known["run_id"] == done.run_id
    assert known["end_of_text"] == "<|endoftext|>"


def test_an_imported_decoder_generates(trained_folder, tmp_path) -> None:
    from isoloss.tasks import generate_text

    source = trained_folder("llama")
    export_model(source, tmp_path / "out")
    import_model(tmp_path / "out", tmp_path / "again")
    wanted = {"prompt": "abc", "max_tokens": 8, "seed": 1}
    assert generate_text(tmp_path / "again", **wanted) == generate_text(source, **wanted)


def test_a_rounded_vocabulary_is_filled_up(trained_folder, tmp_path) -> None:
    from tokenizers import Tokenizer

    out = tmp_path / "out"
    export_model(trained_folder("llama"), out)
    values = json.loads((out / "config.json").read_text("utf-8"))
    from safetensors.torch import load_file, save_file

    weights = load_file(out / "model.safetensors")
    for name in ("model.embed_tokens.weight", "lm_head.weight"):
        weights[name] = torch.cat((weights[name], torch.zeros(4, 32)))
    save_file(weights, out / "model.safetensors")
    values["vocab_size"] += 4
    (out / "config.json").write_text(json.dumps(values), "utf-8")
    import_model(out, tmp_path / "again")
    filled = Tokenizer.from_file(str(tmp_path / "again" / "tokenizer.json"))
    assert filled.get_vocab_size() == values["vocab_size"]
    assert filled.id_to_token(values["vocab_size"] - 1) == "<|unused_263|>"
    assert (
        filled.encode(TEXT).ids == Tokenizer.from_file(str(out / "tokenizer.json")).encode(TEXT).ids
    )


def test_a_tokeniser_of_another_model_is_refused(trained_folder, tmp_path) -> None:
    from isoloss.corpus.tokenizers import make_tokenizer

    out = tmp_path / "out"
    export_model(trained_folder("llama"), out)
    bigger = make_tokenizer(
        "bytes", list, vocab_size=257, special_tokens=[f"<{i}>" for i in range(9)]
    )
    bigger.save(str(out / "tokenizer.json"))
    with pytest.raises(DataError, match="266 entries do not fit the model's 260"):
        import_model(out, tmp_path / "again")
    (out / "tokenizer.json").unlink()
    with pytest.raises(DataError, match=r"no tokenizer\.json"):
        import_model(out, tmp_path / "again")
    assert not (tmp_path / "again").exists()


def test_a_folder_with_something_in_it_is_left_alone(trained_folder, tmp_path) -> None:
    source = trained_folder("llama")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine", "utf-8")
    for convert in (export_model, import_model):
        with pytest.raises(UsageError, match="not an empty folder"):
            convert(source, tmp_path / "out")


def test_no_model_no_export(tmp_path) -> None:
    with pytest.raises(NotFoundError, match="no trained model here"):
        export_model(tmp_path, tmp_path / "out")


def test_what_cannot_be_exported_writes_nothing(trained_folder, tmp_path) -> None:
    with pytest.raises(UsageError, match="window=8"):
        export_model(trained_folder("isoloss", window=8), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_conversion_needs_no_transformers(trained_folder, tmp_path, python) -> None:
    code = f"""
from isoloss.models.huggingface import from_huggingface, to_huggingface
from isoloss.training.exchange import export_model, import_model
export_model({str(trained_folder("bert"))!r}, {str(tmp_path / "out")!r})
import_model({str(tmp_path / "out")!r}, {str(tmp_path / "again")!r})
assert "transformers" not in [n for n, m in sys.modules.items() if m is not None]
"""
    done = python(code, blocked=("transformers",))
    assert done.returncode == 0, done.stderr
