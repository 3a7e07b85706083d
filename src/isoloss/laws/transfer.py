"""Pre-training carried over to another text: what it is worth, and the loss after fine-tuning."""

from __future__ import annotations

from isoloss.laws.chinchilla import E
from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

TRANSFER = library_law(
    name="transfer",
    formula="k*meta_finetuning_data**alpha*N**beta",
    title="Effective data transferred by pre-training",
    reference="Hernandez et al. 2021, arXiv:2102.01293, eq. 1.1; constants: its Table 1",
    parameters=(
        Parameter("k", 1e-30, 1e30, (0.05, 5.0), "data transferred where N and D_F are 1"),
        Parameter("alpha", -1.0, 2.0, (0.02, 0.5), "smaller: the two texts lie closer"),
        Parameter("beta", -1.0, 2.0, (0.1, 1.0), "how size adds to what is carried over"),
    ),
    variables={
        "meta_finetuning_data": "fine-tuning data; characters in the paper",
        "N": "parameters without embeddings",
    },
    target="metric_data_transferred",
    note="Unverified here: no table has such runs. The target is how much more fine-tuning data a"
    " model of the same size would need without pre-training, in the unit of the fine-tuning"
    " data. Only where fine-tuning data are scarce: beyond a tenth of what would saturate the"
    " model it breaks down, and small models may then be better off without pre-training.",
    constants={
        "Hernandez et al. 2021, text to Python": {"k": 1.9e4, "alpha": 0.18, "beta": 0.38},
        "Hernandez et al. 2021, text and code to Python": {
            "k": 2.1e5, "alpha": 0.096, "beta": 0.38,
        },
    },
)  # fmt: skip


def _zhang(a: float, alpha: float, beta: float, e: float) -> dict[str, float]:
    return {"E": e, "A": a, "alpha": alpha, "beta": beta}


_TABLE = "Zhang et al. 2024, model size, WMT14 En-De"

FINE_TUNING = library_law(
    name="fine_tuning",
    formula="E + A/(N**alpha*meta_finetuning_data**beta)",
    title="Fine-tuning: model size and fine-tuning data multiply",
    reference="Zhang et al. 2024, arXiv:2402.17193, eq. 1; constants: its Table 4",
    parameters=(
        E,
        Parameter("A", 1e-9, 1e18, (0.05, 5.0), "size of the part that both remove together"),
        Parameter("alpha", -0.5, 3.0, (0.02, 0.7), "how fast parameters remove it"),
        Parameter("beta", -0.5, 3.0, (0.01, 0.4), "how fast fine-tuning data remove it"),
    ),
    variables={
        "N": "parameters of the pre-trained model",
        "meta_finetuning_data": "fine-tuning data; examples in the paper",
    },
    note="Unverified here: no table has such runs. The paper fits it to the loss of translation"
    " and summarisation, with four model sizes; N may stand for pre-training data or added"
    " parameters instead (map that column). Its constants differ from task to task too much to"
    " carry over.",
    constants={
        f"{_TABLE}, all weights": _zhang(1.2e5, 0.52, 0.15, 0.75),
        f"{_TABLE}, LoRA": _zhang(2.1e3, 0.36, 0.081, 0.62),
        f"{_TABLE}, prompt": _zhang(3.9e3, 0.4, 0.051, 0.62),
    },
)
