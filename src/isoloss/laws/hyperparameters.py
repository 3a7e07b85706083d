"""The best learning rate and batch size of a run, from its size, data or compute."""

from __future__ import annotations

from isoloss.laws.compiled import library_law
from isoloss.laws.law import Parameter

_FACTOR = Parameter("k", 1e-30, 1e30, (0.05, 5.0), "the value where every variable is 1")
_STEP = "Li et al. 2025, Step Law"
_DEEPSEEK = "DeepSeek LLM 2024"
_FIT_BESTS = (
    " Fit it to the best value of each configuration (the minimum of a sweep), not to the sweep."
)


def _exponent(name: str, meaning: str) -> Parameter:
    return Parameter(name, -3.0, 3.0, (0.05, 0.8), meaning)


LEARNING_RATE = library_law(
    name="best_learning_rate",
    formula="k*D**beta/N**alpha",
    title="Best peak learning rate from size and data",
    reference="Li et al. 2025, arXiv:2503.04715, Step Law",
    parameters=(
        _FACTOR,
        _exponent("alpha", "how fast larger models want less"),
        _exponent("beta", "how fast more data want more"),
    ),
    variables={"N": "parameters without embeddings", "D": "training tokens"},
    target="learning_rate",
    note="For AdamW with warm-up and a cosine to a small constant learning rate, dense models;"
    " with muP the best learning rate hardly moves with N, and this is the wrong law." + _FIT_BESTS,
    evidence="its closed form only; published constants",
    constants={_STEP: {"k": 1.79, "alpha": 0.713, "beta": 0.307}},
)

BATCH = library_law(
    name="best_batch",
    formula="k*D**beta",
    title="Best batch size from data",
    reference="Li et al. 2025, arXiv:2503.04715, Step Law",
    parameters=(_FACTOR, _exponent("beta", "how fast more data want more")),
    variables={"D": "training tokens"},
    target="batch_tokens",
    note="The best batch hardly depends on N there. Twice or half of it costs little, which is"
    " why the exponent is known poorly." + _FIT_BESTS,
    evidence="its closed form only; published constants",
    constants={_STEP: {"k": 0.58, "beta": 0.571}},
)

LEARNING_RATE_COMPUTE = library_law(
    name="best_learning_rate_compute",
    formula="k/C**alpha",
    title="Best peak learning rate from compute",
    reference="DeepSeek-AI 2024, arXiv:2401.02954, eq. 1",
    parameters=(_FACTOR, _exponent("alpha", "how fast more compute wants less")),
    variables={"C": "training FLOP"},
    target="learning_rate",
    note="For compute-optimal runs with a multi-step schedule: off that line N and D pull apart"
    " what C puts together. C counts attention, and not the embeddings." + _FIT_BESTS,
    evidence="what DeepSeek LLM 7B and 67B were trained with, within 5%",
    constants={_DEEPSEEK: {"k": 0.3118, "alpha": 0.1250}},
)

BATCH_COMPUTE = library_law(
    name="best_batch_compute",
    formula="k*C**alpha",
    title="Best batch size from compute",
    reference="DeepSeek-AI 2024, arXiv:2401.02954, eq. 1",
    parameters=(_FACTOR, _exponent("alpha", "how fast more compute wants more")),
    variables={"C": "training FLOP"},
    target="batch_tokens",
    note="Tokens a step, for compute-optimal runs; see `best_learning_rate_compute`." + _FIT_BESTS,
    evidence="what DeepSeek LLM 7B and 67B were trained with, within 5%",
    constants={_DEEPSEEK: {"k": 0.2920, "alpha": 0.3271}},
)
