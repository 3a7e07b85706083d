"""Folders as `transformers` saves them: tiny models, every weight random, with real tokenisers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

TEXTS = [
    "the quick brown fox jumps over the lazy dog",
    "it was the best of times, it was the worst of times",
    "a tower of 330 metres, built in 1889, stands in Paris",
    "many people visit the old town every year",
]
SIZES: dict[str, Any] = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "max_position_embeddings": 48,
}


def byte_level(special: Sequence[str], size: int = 80) -> Tokenizer:
    """BPE as GPT-2, BART and RoBERTa have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(special),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


def pieces(special: Sequence[str]) -> Tokenizer:
    """Unigram with spaces as marks, as T5, mBART and M2M have it: letters, and all words."""
    marked = [f"▁{word}" for text in TEXTS for word in text.split()]
    letters = sorted(set("".join(marked)))
    # Written out, because what its trainer finds differs from run to run.
    scores = [(name, 0.0) for name in special]
    scores += [(part, -float(len(letters))) for part in letters]
    scores += [(word, -1.0 - at / 8) for at, word in enumerate(dict.fromkeys(marked))]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=list(special).index("<unk>")))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(list(special))
    return tokenizer


def word_pieces(special: Sequence[str], size: int = 120) -> Tokenizer:
    """WordPiece as BERT has it."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, special_tokens=list(special), show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS * 3, trainer)
    return tokenizer


def framed(tokenizer: Tokenizer, single: str, pair: str | None = None) -> Tokenizer:
    """The tokeniser with what it adds to a text, and to a pair of texts."""
    names = {part.split(":")[0] for part in f"{single} {pair or ''}".split() if part[0] != "$"}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single,
        pair=pair,
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in sorted(names)],
    )
    return tokenizer


def randomised(model: Any, *, seed: int, scale: float = 0.3) -> Any:
    """The model with every weight drawn anew, large enough for its texts to differ."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator) * scale
            if parameter.ndim < 2:
                parameter.add_(noise)
            else:
                parameter.copy_(noise)
    model.tie_weights()
    return model.eval()


def saved(folder: Path, model: Any, tokenizer: Tokenizer, **names: str) -> Path:
    """Model and tokeniser in a folder; `names` are its special tokens."""
    from transformers import PreTrainedTokenizerFast

    model.save_pretrained(folder)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **names
    )
    fast.save_pretrained(folder)
    return folder


def bart(folder: Path, *, seed: int = 0, **values: Any) -> Path:
    """BART, which isoloss converts: `<s> text </s>`."""
    from transformers import BartConfig, BartForConditionalGeneration

    tokenizer = byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    config = BartConfig(vocab_size=tokenizer.get_vocab_size(), **{**SIZES, **values})
    model = randomised(BartForConditionalGeneration(config), seed=seed)
    with torch.no_grad():  # else tied embeddings repeat the last entry for ever
        for name, parameter in model.named_parameters():
            if name.endswith(("fc2.weight", "out_proj.weight")):
                parameter.mul_(4)
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return saved(folder, model, tokenizer, **names)


def t5(folder: Path, *, seed: int = 0) -> Path:
    """T5: `text </s>`, relative positions, no stated context."""
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = framed(pieces(["<pad>", "</s>", "<unk>", "<extra_id_0>"]), "$A </s>")
    config = T5Config(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=32,
        d_kv=16,
        d_ff=48,
        num_layers=2,
        num_heads=2,
    )
    config.decoder_start_token_id = 0
    model = randomised(T5ForConditionalGeneration(config), seed=seed)
    names = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return saved(folder, model, tokenizer, **names)


def m2m(folder: Path, *, seed: int = 0) -> Path:
    """M2M: `__en__ text </s>`, and targets that begin with their language."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration

    languages = ["__en__", "__fr__"]
    tokenizer = framed(pieces(["<s>", "<pad>", "</s>", "<unk>", *languages]), "__en__ $A </s>")
    config = M2M100Config(vocab_size=tokenizer.get_vocab_size(), **SIZES)
    model = randomised(M2M100ForConditionalGeneration(config), seed=seed)
    model.generation_config.forced_bos_token_id = tokenizer.token_to_id("__fr__")
    names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return saved(folder, model, tokenizer, **names)


def marian(folder: Path, *, seed: int = 0) -> Path:
    """Marian: `text </s>`, targets that begin with padding, which is never written."""
    from transformers import MarianConfig, MarianMTModel

    tokenizer = framed(pieces(["</s>", "<unk>", "<pad>"]), "$A </s>")
    config = MarianConfig(
        vocab_size=tokenizer.get_vocab_size(),
        pad_token_id=2,
        eos_token_id=0,
        decoder_start_token_id=2,
        forced_eos_token_id=0,
        scale_embedding=True,
        **SIZES,
    )
    model = randomised(MarianMTModel(config), seed=seed)
    model.generation_config.bad_words_ids = [[2]]
    names = {"eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>"}
    return saved(folder, model, tokenizer, **names)


def _span_model(folder: Path, model: Any, tokenizer: Tokenizer, seed: int, **names: str) -> Path:
    return saved(folder, randomised(model, seed=seed), tokenizer, **names)


def bert_spans(folder: Path, *, seed: int = 0) -> Path:
    """BERT with its head for spans: `[CLS] question [SEP] text [SEP]`, two token types."""
    from transformers import BertConfig, BertForQuestionAnswering

    tokenizer = word_pieces(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
    framed(tokenizer, "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1")
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
    )
    names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    return _span_model(folder, BertForQuestionAnswering(config), tokenizer, seed, **names)


def roberta_spans(folder: Path, *, seed: int = 0) -> Path:
    """RoBERTa with its head for spans: `<s> question </s></s> text </s>`, one token type."""
    from transformers import RobertaConfig, RobertaForQuestionAnswering

    tokenizer = byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    config = RobertaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=42,
        type_vocab_size=1,
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "cls_token": "<s>"}
    names |= {"pad_token": "<pad>", "unk_token": "<unk>"}
    return _span_model(folder, RobertaForQuestionAnswering(config), tokenizer, seed, **names)


Maker = Callable[..., Path]


@pytest.fixture
def make_hub(tmp_path: Path) -> Maker:
    """Makes a folder of a kind: bart, t5, m2m, marian, bert_spans, roberta_spans."""
    makers: dict[str, Maker] = {
        "bart": bart,
        "t5": t5,
        "m2m": m2m,
        "marian": marian,
        "bert_spans": bert_spans,
        "roberta_spans": roberta_spans,
    }

    def make(name: str, *, seed: int = 0) -> Path:
        return makers[name](tmp_path / f"{name}-{seed}", seed=seed)

    return make
