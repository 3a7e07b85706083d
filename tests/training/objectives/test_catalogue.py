"""Objectives from names and settings, and back."""

from __future__ import annotations

import json

import pytest

from isoloss.errors import UsageError
from isoloss.training.objectives import (
    OBJECTIVES,
    Causal,
    Masked,
    SequenceToSequence,
    SpanCorruption,
    objective_from,
)


def test_each_goes_to_a_dictionary_and_back():
    changed = [
        Causal(documents=True),
        Masked(rate=0.3, whole_words=True),
        SpanCorruption(mean_span=5.0),
        SequenceToSequence(label_smoothing=0.0),
    ]
    for objective in [*changed, *(kind() for kind in OBJECTIVES.values())]:
        values = json.loads(json.dumps(objective.to_dict()))
        assert objective_from(values) == objective
    assert Masked().to_dict() == {"name": "masked"}
    assert changed[1].to_dict() == {"name": "masked", "rate": 0.3, "whole_words": True}


def test_from_a_command_line():
    assert objective_from("masked:rate=0.3,whole_words=true") == Masked(rate=0.3, whole_words=True)
    assert objective_from("sequence-to-sequence:label-smoothing=0") == SequenceToSequence(
        label_smoothing=0
    )
    assert objective_from("causal") == Causal()


@pytest.mark.parametrize(
    ("values", "message", "hint"),
    [
        ("maskd", "no such objective: 'maskd'", "Did you mean 'masked'?"),
        ({"rate": 0.2}, "an objective needs a name", "causal, masked"),
        ("masked:rat=0.2", "no such setting of the objective 'masked': 'rat'", "'rate'"),
        ("prefix:rate=1", "no such setting of the objective 'prefix'", "no settings"),
        ("masked:rate", "'rate' is no setting", "masked:rate=0.3"),
        ("masked:rate=much", "must be a number, found 'much'", ""),
        ("masked:whole_words=1", "must be true or false, found 1", ""),
        ({"name": "masked", "rate": True}, "must be a number, found True", ""),
    ],
)
def test_mistakes(values, message, hint):
    with pytest.raises(UsageError) as error:
        objective_from(values)
    assert message in str(error.value)
    assert hint in error.value.hint


def test_equal_objectives_have_equal_dictionaries():
    assert json.dumps(SpanCorruption(mean_span=4).to_dict()) == json.dumps(
        SpanCorruption(mean_span=4.0).to_dict()
    )
    assert SequenceToSequence(label_smoothing=0).to_dict()["label_smoothing"] == 0.0
