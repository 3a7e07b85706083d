"""Planted near-duplicates are found; different texts are left alone."""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import pytest

from isoloss.corpus import standard_library_documents
from isoloss.corpus.selection.near_duplicates import near_duplicates
from isoloss.errors import UsageError


def found_in(texts: Sequence[str], **options: float) -> list[int]:
    data = [text.encode("utf-8") for text in texts]
    sizes = np.array([len(text) for text in data])
    return near_duplicates(sizes, lambda i: data[i], **options).tolist()  # type: ignore[arg-type]


def sentence(rng: random.Random, count: int) -> list[str]:
    return [f"w{rng.randint(0, 5_000)}" for _ in range(count)]


def plain_similarity(first: str, second: str, size: int = 5) -> float:
    sets = []
    for text in (first, second):
        own = text.split()
        sets.append({tuple(own[i : i + size]) for i in range(len(own) - size + 1)})
    return len(sets[0] & sets[1]) / len(sets[0] | sets[1])


def test_planted_copies_are_found_and_others_kept() -> None:
    rng = random.Random(0)
    originals = [sentence(rng, 300) for _ in range(200)]
    copies = []
    for number in range(0, 200, 4):
        copy = originals[number].copy()
        for place in rng.sample(range(300), 4):
            copy[place] = "changed"
        copies.append(copy)
    texts = [" ".join(own) for own in originals + copies]
    for number, copy in enumerate(texts[200:]):
        assert plain_similarity(texts[4 * number], copy) > 0.85
    found = found_in(texts)
    assert found[:200] == [-1] * 200
    assert found[200:] == list(range(0, 200, 4))


def test_the_threshold_is_that_of_the_exact_similarity() -> None:
    rng = random.Random(1)
    base = sentence(rng, 400)
    texts, similarities = [" ".join(base)], []
    for changes in range(2, 40, 2):
        copy = base.copy()
        for place in range(changes):
            copy[place * 10] = f"x{changes}x{place}"
        text = " ".join(copy)
        similarities.append(plain_similarity(texts[0], text))
        assert found_in([texts[0], text], threshold=0.8) == [
            -1,
            0 if similarities[-1] >= 0.8 else -1,
        ]
    assert min(similarities) < 0.7
    assert max(similarities) > 0.9


def test_python_s_code_pages_are_alike_and_its_modules_are_not() -> None:
    documents = {d.name: d.text for d in standard_library_documents()}
    names = ["encodings/cp037.py", "encodings/cp1140.py", "encodings/cp500.py", "argparse.py",
             "ast.py", "calendar.py", "codecs.py", "configparser.py", "csv.py"]  # fmt: skip
    found = dict(zip(names, found_in([documents[name] for name in names]), strict=True))
    assert found["encodings/cp1140.py"] == 0
    assert [name for name in names[3:] if found[name] >= 0] == []


def test_chinese_without_spaces() -> None:
    rng = random.Random(2)
    text = "".join(chr(rng.randint(0x4E00, 0x5E00)) for _ in range(2_000))
    other = "".join(chr(rng.randint(0x4E00, 0x5E00)) for _ in range(2_000))
    assert found_in([text, other, text[:900] + "學" + text[900:]]) == [-1, -1, 0]


def test_a_kept_text_is_never_one_that_was_dropped() -> None:
    rng = random.Random(3)
    first = sentence(rng, 400)
    second, third = first.copy(), first.copy()
    second[:12] = [f"a{i}" for i in range(12)]
    third[:24] = [f"a{i}" for i in range(12)] + [f"b{i}" for i in range(12)]
    texts = [" ".join(text) for text in (first, second, third)]
    assert plain_similarity(texts[0], texts[2]) > plain_similarity(texts[0], texts[1]) - 0.1
    found = found_in(texts, threshold=0.92)
    assert found == [-1, 0, -1]  # the third is like the second, which is gone


def test_protected_texts_stay_and_later_ones_are_compared_with_them_alone() -> None:
    rng = random.Random(4)
    text, other = (" ".join(sentence(rng, 200)) for _ in range(2))
    assert found_in([text, text + " end", text, other, other], protected=2) in (
        [-1, -1, 0, -1, -1],
        [-1, -1, 1, -1, -1],
    )


def test_texts_without_words_and_few_texts() -> None:
    assert found_in(["!!! ...", "!!! ...", "?"]) == [-1, -1, -1]
    assert found_in(["one two", "One, two!"]) == [-1, 0]
    assert found_in(["alone"]) == [-1]
    assert found_in([]) == []


@pytest.mark.parametrize("threshold", [0.3, 1.01, float("nan")])
def test_impossible_thresholds(threshold: float) -> None:
    with pytest.raises(UsageError, match=r"must lie in 0\.5 to 1"):
        found_in(["a", "b"], threshold=threshold)
