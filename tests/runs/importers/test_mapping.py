"""Which name is which column: given, called as ours, guessed, or refused."""

from __future__ import annotations

import pytest

from isoloss.errors import DataError, UsageError
from isoloss.runs.importers.mapping import Mapped, map_names


def mapped(names: list[str], given: dict[str, str] | None = None, *, log: bool = False):
    text = {"model", "optimizer", "dataset", "config.name"}
    found, notes = map_names(
        names, given, label="t.csv", numbers=[n for n in names if n not in text], log=log
    )
    return {one.ours: one for one in found}, notes


def test_our_own_names_need_no_guess() -> None:
    found, notes = mapped(["params_total", "tokens", "loss", "flops"])
    assert {one.how for one in found.values()} == {"same name"}
    assert notes == ()


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("Model Size", "params_total"),
        ("n_params", "params_total"),
        ("num_parameters", "params_total"),
        ("train_tokens", "tokens"),
        ("tokens_seen", "tokens"),
        ("num_input_tokens_seen", "tokens"),
        ("eval/loss", "loss"),
        ("val/loss", "loss"),
        ("validation_loss", "loss"),
        ("lr", "learning_rate"),
        ("total_flos", "flops"),
        ("Training FLOP", "flops"),
        ("non-embedding params", "params_non_embedding"),
        ("hidden_size", "d_model"),
    ],
)
def test_common_names_are_guessed_and_said_to_be(theirs: str, ours: str) -> None:
    found, _ = mapped([theirs])
    assert found[ours].theirs == theirs
    assert found[ours].how == "guessed"


def test_what_an_unnamed_count_counts_is_left_open() -> None:
    found, _ = mapped(["params", "Total Params"], {"Total Params": "meta_other"})
    assert "does not say which weights" in found["params_total"].note


def test_a_training_loss_is_guessed_with_a_warning_and_only_without_another() -> None:
    found, _ = mapped(["train_loss"])
    assert "training" in found["loss"].note
    found, _ = mapped(["train_loss", "val_loss"])
    assert (found["loss"].theirs, found["loss"].note) == ("val_loss", "")


@pytest.mark.parametrize(
    "names",
    [["train_tokens", "tokens_seen"], ["eval/loss", "val/loss"], ["train_flops", "compute"]],
)
def test_several_candidates_for_what_a_fit_needs_are_refused(names: list[str]) -> None:
    with pytest.raises(DataError, match="may be any of") as caught:
        mapped(names)
    assert all(repr(name) in caught.value.message for name in names)
    assert names[0] in caught.value.hint


def test_several_candidates_for_the_rest_are_left_out_and_told() -> None:
    found, notes = mapped(["lr", "peak_lr"])
    assert "learning_rate" not in found
    assert "lr" in notes[0]


def test_a_unit_in_the_header_is_proposed_and_has_to_be_confirmed() -> None:
    found, _ = mapped(["Tokens (B)", "Params [millions]"])
    assert (found["tokens"].factor, found["tokens"].unconfirmed) == (1e9, True)
    assert found["tokens"].flag() == '--map "tokens=Tokens (B):1e9"'
    assert found["params_total"].factor == 1e6
    given, _ = mapped(["Tokens (B)"], {"Tokens (B)": "tokens:1e9"})
    assert (given["tokens"].how, given["tokens"].unconfirmed) == ("given", False)


def test_text_is_never_a_count() -> None:
    found, _ = mapped(["model", "optimizer"])
    assert found["name"].theirs == "model"
    assert "params_total" not in found


def test_given_names_win_and_misspelt_ones_are_answered() -> None:
    found, _ = mapped(["tokens_seen", "train_tokens", "loss"], {"tokens_seen": "tokens"})
    assert found["tokens"].theirs == "tokens_seen"
    with pytest.raises(DataError, match="no column 'token_seen'") as caught:
        mapped(["tokens_seen"], {"token_seen": "tokens"})
    assert "tokens_seen" in caught.value.hint
    with pytest.raises(UsageError, match="twice"):
        mapped(["a", "b"], {"a": "tokens", "b": "tokens:1e9"})


def test_of_a_log_a_loss_alone_is_that_of_training() -> None:
    names = ["loss", "eval_loss", "config.n_params", "config.tokens", "tokens", "config.model.dim"]
    found, _ = mapped(names, log=True)
    assert found["loss"].theirs == "eval_loss"
    assert found["tokens"].theirs == "tokens"
    assert found["params_total"].theirs == "config.n_params"


def test_a_plan_in_a_config_is_no_measurement() -> None:
    found, _ = mapped(["config.tokens", "config.total_flops", "eval/loss"], log=True)
    assert not {"tokens", "flops"} & found.keys()
    found, _ = mapped(["config.tokens"], {"config.tokens": "tokens"}, log=True)
    assert found["tokens"].theirs == "config.tokens"


def test_dotted_keys_are_found_by_their_last_part_and_without_their_place() -> None:
    found, _ = mapped(
        ["config.model.n_layers", "summary.flops", "config.a.b"], {"a.b": "meta_b"}, log=True
    )
    assert found["n_layer"].theirs == "config.model.n_layers"
    assert found["flops"].theirs == "summary.flops"
    assert found["meta_b"].theirs == "config.a.b"


def test_a_mapping_as_json() -> None:
    one = Mapped(ours="tokens", theirs="T", how="given", factor=1e9)
    assert one.to_dict()["factor"] == 1e9
    assert one.flag() == '--map "tokens=T:1e9"'
