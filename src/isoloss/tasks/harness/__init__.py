"""A model inside lm-evaluation-harness: its tasks, its splitting of texts, its metrics.

`lm-eval` is imported when a function is called; it comes with the extra `[hf]`.
"""

from isoloss.tasks.harness.adapter import harness_model
from isoloss.tasks.harness.evaluation import evaluate_harness

__all__ = ["evaluate_harness", "harness_model"]
