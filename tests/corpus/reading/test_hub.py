"""Data sets through `datasets`, tested on local folders; the names of remote ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from isoloss.corpus import read_documents
from isoloss.corpus.reading import read_rows
from isoloss.corpus.reading.hub import hub_source
from isoloss.errors import DataError, EnvironmentProblem, NotFoundError, UsageError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for split, count in (("train", 3), ("validation", 2)):
        lines = [json.dumps({"text": f"{split} {i}", "zh": "學"}) for i in range(count)]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines), "utf-8")
    return tmp_path


def test_splits_of_a_local_folder_are_streamed(folder: Path) -> None:
    found = list(read_documents([f"hf://{folder}"]))
    assert [d.text for d in found] == ["train 0", "train 1", "train 2"]
    assert found[1].name == f"hf://{folder}:2"
    held_out = read_documents([f"hf://{folder}:validation"], text_field="text")
    assert [d.text for d in held_out] == ["validation 0", "validation 1"]
    as_path = read_documents([Path(f"hf://{folder}:validation")])  # one slash is lost
    assert [d.text for d in as_path] == ["validation 0", "validation 1"]
    assert next(t for _, t in read_rows([f"hf://{folder}"], ["zh", "text"])) == ("學", "train 0")


def test_mistakes_are_named(folder: Path) -> None:
    with pytest.raises(NotFoundError, match="no such data set, configuration or split"):
        list(read_documents([f"hf://{folder}:test"]))
    with pytest.raises(DataError, match="row 1: no text in field 'body'; found text, zh"):
        list(read_documents([f"hf://{folder}"], text_field="body"))
    with pytest.raises(NotFoundError, match="no such folder"):
        list(read_documents([f"hf://{folder}/nowhere"]))
    with pytest.raises(NotFoundError, match=r"Available splits: \['train', 'validation'\]"):
        list(read_documents([f"hf://{folder}:dev"]))
    for old in ("hf://squad", "hf://owner/name@train", "hf://owner/name:config@train"):
        with pytest.raises(UsageError, match="expected hf://owner/name") as caught:
            list(read_documents([old]))
        assert "hf://wikimedia/wikipedia/20231101.en:train" in caught.value.hint


def test_configurations_of_a_local_folder(tmp_path: Path) -> None:
    for name in ("de", "fr"):
        (tmp_path / "files").mkdir(exist_ok=True)
        path = tmp_path / "files" / f"{name}.jsonl"
        path.write_text(json.dumps({"text": name}), "utf-8")
    listed = "".join(
        f"- config_name: {name}\n  data_files:\n  - split: test\n    path: files/{name}.jsonl\n"
        for name in ("de", "fr")
    )
    (tmp_path / "README.md").write_text(f"---\nconfigs:\n{listed}---\n", "utf-8")
    found = list(read_documents([f"hf://{tmp_path}/fr:test"]))
    assert [d.text for d in found] == ["fr"]
    with pytest.raises(NotFoundError, match=r"it\b.*Available: \['de', 'fr'\]"):
        list(read_documents([f"hf://{tmp_path}/it:test"]))


def test_without_a_network_the_hub_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets.config
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(EnvironmentProblem, match="the hub cannot be reached"):
        list(read_documents(["hf://no-such-owner/no-such-name"]))


def test_names() -> None:
    whole = hub_source("hf://wikimedia/wikipedia/20231101.en:validation")
    assert (whole.path, whole.config, whole.split) == (
        "wikimedia/wikipedia", "20231101.en", "validation",
    )  # fmt: skip
    assert hub_source(Path("hf://owner/name")) == hub_source("hf://owner/name")
    assert hub_source("hf://owner/name").split == "train"
