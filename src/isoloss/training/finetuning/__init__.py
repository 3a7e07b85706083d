"""A trained model, trained on: for a task or on a text, all of it or by adapters.

`finetune` does it; `Scoring` and `TaskScorer` score any run on a task while it trains.
"""

from isoloss.training.finetuning.adapters import LoRA, add_adapters, merge_adapters
from isoloss.training.finetuning.comparison import (
    baseline_lines,
    baseline_scores,
    seen_examples,
    training_pairs,
)
from isoloss.training.finetuning.completion import Completion
from isoloss.training.finetuning.config import TaskRunConfig
from isoloss.training.finetuning.scoring import Scoring, TaskScorer
from isoloss.training.finetuning.spans import Spans
from isoloss.training.finetuning.starting import Start, open_start
from isoloss.training.finetuning.tuning import Tuned, Tuning, finetune

__all__ = [
    "Completion",
    "LoRA",
    "Scoring",
    "Spans",
    "Start",
    "TaskRunConfig",
    "TaskScorer",
    "Tuned",
    "Tuning",
    "add_adapters",
    "baseline_lines",
    "baseline_scores",
    "finetune",
    "merge_adapters",
    "open_start",
    "seen_examples",
    "training_pairs",
]
