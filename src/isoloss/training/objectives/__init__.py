"""What a model is trained to predict, as frozen data and pure functions.

`objective_from("masked")` gives an `Objective`; `objective.batch(corpus, config, seed=, step=,
rows=)` what a step sees, and `objective.evaluation(corpus, config, eval_tokens)` what a model is
judged on.
"""

from isoloss.training.objectives.batch import Batch, batch_loss, predicted_logits
from isoloss.training.objectives.catalogue import OBJECTIVES, objective_from
from isoloss.training.objectives.causal import Causal
from isoloss.training.objectives.evaluation_set import EvaluationSet
from isoloss.training.objectives.masked import Masked
from isoloss.training.objectives.objective import Objective, TokenCount
from isoloss.training.objectives.prefix import PrefixLM
from isoloss.training.objectives.sequence_to_sequence import SequenceToSequence
from isoloss.training.objectives.span_corruption import SpanCorruption

__all__ = [
    "OBJECTIVES",
    "Batch",
    "Causal",
    "EvaluationSet",
    "Masked",
    "Objective",
    "PrefixLM",
    "SequenceToSequence",
    "SpanCorruption",
    "TokenCount",
    "batch_loss",
    "objective_from",
    "predicted_logits",
]
